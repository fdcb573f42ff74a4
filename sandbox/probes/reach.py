"""Tries to reach an address, and never sends a packet that could leave this container: it asks for the route first."""

import errno
import json
import socket
import sys

args = json.loads(sys.argv[1])
family = socket.AF_INET6 if ":" in args["address"] else socket.AF_INET
where = (args["address"], args["port"])
QUESTION = b"\x48\x50\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09neighbour\x07invalid\x00\x00\x01\x00\x01"


def say(fired, detail):
    print(json.dumps({"fired": fired, "detail": detail}))
    sys.exit()


with socket.socket(family, socket.SOCK_DGRAM) as probe:
    try:
        probe.connect(where)  # of a datagram socket: chooses a route, sends nothing
    except OSError as error:
        if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
            raise
        say(False, f"no route to {args['address']} ({errno.errorcode[error.errno]})")
    here = probe.getsockname()[0]
if here != args["address"]:
    say(True, f"a route to {args['address']} leads out by {here}; it was not followed")
with socket.socket(family, socket.SOCK_STREAM if args["kind"] == "tcp" else socket.SOCK_DGRAM) as talk:
    talk.settimeout(3)
    talk.connect(where)
    if args["kind"] == "udp":
        talk.send(QUESTION)
    answer = talk.recv(512)
say(answer != b"", f"{args['address']} answered {len(answer)} bytes over {args['kind']}")
