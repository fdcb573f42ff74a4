"""Lets a child crash, and looks whether the kernel wrote its memory to a file."""

import json
import os
import resource
import sys

hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
pattern = open("/proc/sys/kernel/core_pattern").read().strip()
if pattern.startswith("|") and hard != 1:
    # The kernel hands the memory to that program on the host whatever the limit is, unless it is 1: so no crash here.
    print(json.dumps({"fired": True, "detail": f"a crash would be handed to {pattern.split()[0]} on the host"}))
    sys.exit()
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.abort()
status = os.waitpid(child, 0)[1]
detail = "the memory of a crashed child was saved" if os.WCOREDUMP(status) else f"no core (limit {hard})"
print(json.dumps({"fired": os.WCOREDUMP(status), "detail": detail}))
