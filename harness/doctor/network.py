"""Probes of what a guest can reach; no packet leaves the machine, whatever the engine lets through.

A guest asks for the route before it sends anything, and follows it only within its own network. Controls share the
network of a container that leads nowhere and in which everything answers (`sandbox/probes/neighbour.py`).
"""

import socket
import threading
from typing import Final

from harness.doctor import neighbour
from harness.doctor.bench import Bench
from harness.doctor.guest import in_guest, in_guest_without
from harness.doctor.outside import outside
from harness.doctor.probe import Act, Outcome, Probe
from harness.scratch import Scratch

_SOCKETS: Final = {
    "paths": ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock"],
    "folders": ["/run", "/var/run", "/mnt", "/tmp", "/work"],  # noqa: S108 - in the guest
}
_PATIENCE: Final = 10  # seconds
_NETLINK: Final = {"family": 16, "kind": 3, "protocol": 0}
_ALG: Final = {"family": 38, "kind": 5, "protocol": 0}
_VSOCK: Final = {"family": 40, "kind": 1, "protocol": 0}
_SHARED: Final = "the same in the network of another container, where the address answers and which leads nowhere"
_NO_LIST: Final = "the same without our list of system calls: the socket is made, and closed unused"


def _reaching(name: str, tries: str, address: str, kind: str, quick: bool = False) -> Probe:
    args = {"address": address, "port": neighbour.PORT, "kind": kind}
    return Probe(
        id=f"network.{name}",
        group="network",
        threat="egress",
        tries=tries,
        control_is=_SHARED,
        attack=in_guest("reach", args),
        control=in_guest_without("network", program="reach", args=args),
        settings=("network",),
        quick=quick,
    )


def _family(name: str, threat: str, tries: str, args: dict[str, int]) -> Probe:
    return Probe(
        id=f"network.{name}",
        group="network",
        threat=threat,
        tries=tries,
        control_is=_NO_LIST,
        attack=in_guest("socket_family", args),
        control=in_guest_without("seccomp", program="socket_family", args=args),
        settings=("seccomp",),
    )


def _engine_socket_outside(_bench: Bench) -> Outcome:
    """The same program on the host, in a folder where our own stand-in listens; never the real engine's socket."""
    with Scratch() as scratch, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(scratch.path / "docker.sock"))
        listener.listen()
        listener.settimeout(_PATIENCE)
        answering = threading.Thread(target=_answer_once, args=(listener,), daemon=True)
        answering.start()
        outcome = outside("engine_socket", {"paths": [], "folders": [str(scratch.path)]})
        answering.join(_PATIENCE)
    return outcome


def _answer_once(listener: socket.socket) -> None:
    try:
        with listener.accept()[0] as connection:
            connection.settimeout(_PATIENCE)
            connection.recv(1024)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")
    except OSError:
        return  # nobody came: then the program says that it found nothing


def _abstract(without: tuple[str, ...] = ()) -> Act:
    return in_guest_without(*without, program="abstract", args={"abstract": neighbour.ABSTRACT})


PROBES: Final[tuple[Probe, ...]] = (
    _reaching("tcp", "opens a TCP connection", neighbour.PEER, "tcp", quick=True),
    _reaching("udp", "sends a UDP packet and waits for its echo", neighbour.PEER, "udp"),
    _reaching("dns", "asks a name server, which can carry secrets out in names", neighbour.RESOLVER, "udp"),
    _reaching("ipv6", "opens a TCP connection over IPv6", neighbour.PEER6, "tcp"),
    _reaching("metadata", "asks a cloud's metadata address for the machine's credentials", neighbour.METADATA, "tcp"),
    _reaching("bridge", "connects to the host by its address on the engine's bridge", neighbour.BRIDGE, "tcp"),
    Probe(
        id="network.icmp",
        group="network",
        threat="egress",
        tries="sends an ICMP echo (to its own loopback), by a raw socket or the kind that needs no privilege",
        control_is="the same without our list of system calls",
        attack=in_guest("ping"),
        control=in_guest_without("seccomp", program="ping"),
        settings=("seccomp",),
    ),
    Probe(
        id="network.abstract_socket",
        group="network",
        threat="egress",
        tries="connects to a unix socket without a file, as some services of a host have them",
        control_is="the same in the network of another container, which has such a socket",
        attack=_abstract(),
        control=_abstract(("network",)),
        settings=("network",),
    ),
    Probe(
        id="network.engine_socket",
        group="network",
        threat="egress",
        tries="looks for the socket of a container engine, and greets whoever listens there",
        control_is="the same program on the host, in a folder where a stand-in of ours listens",
        attack=in_guest("engine_socket", _SOCKETS),
        control=_engine_socket_outside,
    ),
    _family("vsock", "egress", "makes a socket to the hypervisor (AF_VSOCK), which no network setting closes", _VSOCK),
    _family("netlink", "kernel", "makes a socket to the kernel's network configuration (AF_NETLINK)", _NETLINK),
    _family("af_alg", "kernel", "makes a socket to the kernel's cryptography (AF_ALG)", _ALG),
)
