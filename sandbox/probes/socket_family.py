"""Asks for a socket of one family (a number, so that no version of Python is too old), and sends nothing through it."""

import errno
import json
import socket
import sys

args = json.loads(sys.argv[1])
try:
    made = socket.socket(args["family"], args["kind"], args["protocol"])
except OSError as error:
    if error.errno == errno.EAFNOSUPPORT:
        sys.exit("this kernel has no sockets of that family")
    if error.errno not in (errno.EPERM, errno.EACCES):
        raise
    print(json.dumps({"fired": False, "detail": f"socket({args['family']}) refused ({errno.errorcode[error.errno]})"}))
else:
    print(json.dumps({"fired": True, "detail": f"a socket of family {args['family']} was made"}))
    made.close()
