"""Forks children that wait, as many as it may up to `count`, and ends them all."""

import errno
import json
import os
import signal
import sys
import time

count = json.loads(sys.argv[1])["count"]
children, refused = [], ""
try:
    for _ in range(count):
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
        children.append(child)
except OSError as error:
    if error.errno != errno.EAGAIN:
        raise
    refused = "EAGAIN"
for child in children:
    os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
detail = f"{len(children)} processes at once" + (f", then {refused}" if refused else "")
print(json.dumps({"fired": not refused, "detail": detail}))
