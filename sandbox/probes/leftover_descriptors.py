"""Looks for open descriptors that whoever started it left behind, and for a way out through its working folder."""

import contextlib
import json
import os

facts = []
for number in sorted(map(int, os.listdir("/proc/self/fd"))):
    # One of them is of the listing itself, and closed by now.
    with contextlib.suppress(FileNotFoundError):
        place = os.readlink(f"/proc/self/fd/{number}")
        if number > 2:
            facts.append(f"descriptor {number} leads to {place}")
top, root = os.stat("/".join([".."] * 64)), os.stat("/")
if (top.st_dev, top.st_ino) != (root.st_dev, root.st_ino):
    facts.append("above the working folder there is another root")
print(json.dumps({"fired": bool(facts), "detail": "; ".join(facts) or "three descriptors, and no way out"}))
