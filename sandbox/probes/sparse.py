"""Makes a file that claims to be `size` bytes long, of which none is written."""

import errno
import json
import os
import sys

args = json.loads(sys.argv[1])
with open(args["path"], "wb") as out:
    try:
        os.ftruncate(out.fileno(), args["size"])
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        print(json.dumps({"fired": False, "detail": "refused (EFBIG)"}))
    else:
        print(json.dumps({"fired": True, "detail": f"a file of {os.fstat(out.fileno()).st_size} bytes"}))
os.unlink(args["path"])
