"""The other side of the network probes: answers at made-up addresses in a network of its own that leads nowhere.

Runs as root in a container without network, whose loopback gets the addresses; controls join that network.
"""

import fcntl
import json
import os
import socket
import struct
import sys
import threading

SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
IPV6_FREEBIND = 78
LONGEST = 600  # seconds
args = json.loads(sys.argv[1])


def give_address(number, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for call, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
            request = struct.pack("16sH2x4s8x", f"lo:{number}".encode(), socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(control, call, request)


def give_address6(address):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        wanted = struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, address), 128, socket.if_nametoindex("lo"))
        fcntl.ioctl(control, SIOCSIFADDR, wanted)


def answer_streams(listener):
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(b"the neighbour answers")


def answer_packets(listener):
    while True:
        data, sender = listener.recvfrom(512)
        # As a name server does: the same packet, marked as an answer. Whoever sent no question sees an echo.
        listener.sendto(data[:2] + bytes([data[2] | 0x80]) + data[3:], sender)


def serve(family, kind, address, answer):
    listener = socket.socket(family, kind)
    if family == socket.AF_INET6:
        listener.setsockopt(
            socket.IPPROTO_IPV6, IPV6_FREEBIND, 1
        )  # the kernel takes a moment to let an address be used
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    threading.Thread(target=answer, args=(listener,), daemon=True).start()


for number, address in enumerate(args["addresses"], start=1):
    give_address(number, address)
    serve(socket.AF_INET, socket.SOCK_STREAM, (address, args["port"]), answer_streams)
    serve(socket.AF_INET, socket.SOCK_DGRAM, (address, args["port"]), answer_packets)
serve(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + args["abstract"], answer_streams)
try:
    give_address6(args["address6"])
    serve(socket.AF_INET6, socket.SOCK_STREAM, (args["address6"], args["port"]), answer_streams)
except OSError as error:
    print(f"no IPv6 here: {error}", file=sys.stderr)  # its probe will say that its control was silent
print("ready", flush=True)
last_resort = threading.Timer(LONGEST, os._exit, (1,))
last_resort.daemon = True
last_resort.start()
sys.stdin.read()
