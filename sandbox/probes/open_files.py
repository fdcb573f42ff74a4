"""Opens descriptors, as many as it may up to `count`."""

import errno
import json
import os
import resource
import sys

count = json.loads(sys.argv[1])["count"]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
opened, refused = 0, ""
try:
    for _ in range(count):
        os.open("/dev/null", os.O_RDONLY)
        opened += 1
except OSError as error:
    if error.errno != errno.EMFILE:
        raise
    refused = "EMFILE"
detail = f"{opened} descriptors open" + (f", then {refused}" if refused else "")
print(json.dumps({"fired": not refused, "detail": detail}))
