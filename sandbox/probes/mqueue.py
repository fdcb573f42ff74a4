"""Makes a POSIX message queue, whose content is memory that no container limit counts."""

import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
queue = libc.mq_open(b"/holdpoint", os.O_CREAT | os.O_RDWR, 0o600, None)
if queue >= 0:
    libc.mq_unlink(b"/holdpoint")
    print(json.dumps({"fired": True, "detail": "a message queue was made"}))
else:
    code = ctypes.get_errno()
    if code not in (errno.EPERM, errno.EMFILE):
        raise OSError(code, os.strerror(code))
    print(json.dumps({"fired": False, "detail": f"refused ({errno.errorcode[code]})"}))
