"""Looks for the socket of a container engine, and greets whoever listens there."""

import json
import os
import socket
import stat
import sys

args = json.loads(sys.argv[1])
places = list(args["paths"])
for top in args["folders"]:
    for folder, _, names in os.walk(top):
        places += [os.path.join(folder, name) for name in names[:1000]]
looked, answered = 0, ""
for place in places[:10_000]:
    try:
        if not stat.S_ISSOCK(os.stat(place).st_mode):
            continue
        looked += 1
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(2)
            talk.connect(place)
            talk.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            answered = talk.recv(100) and place
    except OSError:
        continue  # not there, or not for us: exactly what the attack hopes it is not
    if answered:
        break
print(json.dumps({"fired": bool(answered), "detail": f"{answered} answers" if answered else f"{looked} sockets found"}))
