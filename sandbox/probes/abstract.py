"""Tries to reach a unix socket in the abstract name space, which belongs to a network, not to a file system."""

import json
import socket
import sys

args = json.loads(sys.argv[1])
with socket.socket(socket.AF_UNIX) as talk:
    talk.settimeout(3)
    try:
        talk.connect("\0" + args["abstract"])
    except ConnectionRefusedError:
        print(json.dumps({"fired": False, "detail": "nobody of that name here (ECONNREFUSED)"}))
    else:
        print(json.dumps({"fired": True, "detail": f"it answered {talk.recv(100)!r}"}))
