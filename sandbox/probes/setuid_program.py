"""Starts a program of the image that is setuid root, and looks whose rights it has got."""

import json
import os
import stat
import subprocess
import time
from pathlib import Path


def setuid_root():
    """The first program of another's rights that waits for input when it is started without a terminal."""
    for name in ("su", "passwd", "chsh", "newgrp"):
        for folder in ("/bin", "/usr/bin"):
            path = Path(folder, name)
            if path.exists() and path.stat().st_mode & stat.S_ISUID and path.stat().st_uid == 0:
                return path
    raise SystemExit("the image has no setuid program to try")


program = setuid_root()
process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
seen = set()
until = time.monotonic() + 2
while process.poll() is None and time.monotonic() < until:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    words = next(line for line in lines if line.startswith("Uid:")).split()
    name = next(line for line in lines if line.startswith("Name:")).split()[1]
    if name == program.name:
        seen.add(int(words[2]))
        break
    time.sleep(0.001)
process.stdin.close()
process.kill()
process.wait()
assert seen, f"{program} ended before it could be looked at"
fired = 0 in seen and os.geteuid() != 0
print(json.dumps({"fired": fired, "detail": f"{program} ran with the rights of uid {seen.pop()}"}))
