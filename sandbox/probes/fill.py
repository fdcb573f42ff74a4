"""Writes `files` files of `size` bytes each under `path`, until one of the errors in `errors` says stop."""

import errno
import json
import os
import sys

args = json.loads(sys.argv[1])
expected = {getattr(errno, name) for name in args["errors"]}
BLOCK = b"x" * (1024 * 1024)
made, written, refused = 0, 0, ""
try:
    for number in range(args["files"]):
        with open(os.path.join(args["path"], f"holdpoint-{number}"), "wb", buffering=0) as out:
            made += 1
            left = args["size"]
            while left:
                done = out.write(BLOCK[:left])
                left -= done
                written += done
except OSError as error:
    if error.errno not in expected:
        raise
    refused = errno.errorcode[error.errno]
for number in range(made):
    os.unlink(os.path.join(args["path"], f"holdpoint-{number}"))
detail = f"{written} bytes in {made} files" + (f", then {refused}" if refused else "")
print(json.dumps({"fired": not refused, "detail": detail}))
