"""The probes of what a guest can reach, on a real engine: each holds, each falls, and none sends anything out."""

from collections.abc import Iterator

import pytest

from harness.container import ContainerSpec, Engine, ImageRef
from harness.doctor.bench import Bench
from harness.doctor.examine import examine, examine_one
from harness.doctor.neighbour import NEIGHBOUR_WITHOUT, PEER
from harness.doctor.network import PROBES
from harness.doctor.probe import ProbeResult

pytestmark = pytest.mark.engine

RUN = "test-doctor-network"
# What a kernel may be built without; then the control says so, and the probe counts as unproven.
OPTIONAL = frozenset({"network.af_alg", "network.vsock"})
NOT_THERE = "this kernel has no sockets of that family"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def lacking(result: ProbeResult, said: str) -> bool:
    return result.id in OPTIONAL and NOT_THERE in said


def test_every_probe_holds_and_every_control_fires(engine: Engine, image: ImageRef) -> None:
    with Bench(engine, image, RUN) as bench:
        results = examine(bench, PROBES)
    assert [r for r in results if r.attack != "blocked"] == []
    assert [r for r in results if not (r.held or lacking(r, r.control_detail))] == []


@pytest.mark.parametrize("setting", ["network", "seccomp"])
def test_every_probe_falls_without_the_setting_that_it_names(engine: Engine, image: ImageRef, setting: str) -> None:
    named = [probe for probe in PROBES if setting in probe.settings]
    with Bench(engine, image, RUN, off=(setting,)) as bench:
        results = examine(bench, named)
    assert len(results) >= 4
    assert [r for r in results if r.attack != "fired" and not lacking(r, r.detail)] == []


def test_an_engine_s_socket_in_a_container_is_found(engine: Engine, image: ImageRef) -> None:
    """The guest's own stand-in: what listens under the usual names is greeted."""
    bench = Bench(engine, image, RUN)
    program = (
        "import os, socket, threading, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('/work/docker.sock'); s.listen()\n"
        "def answer():\n"
        "    talk = s.accept()[0]; talk.recv(1024); talk.sendall(b'OK')\n"
        "threading.Thread(target=answer, daemon=True).start()\n"
    )
    python, *flags, text, _ = bench.argv("engine_socket")
    args = '{"paths": [], "folders": ["/work"]}'
    with engine.start(bench.spec((python, *flags, program + text, args))) as session:
        said = session.finish()
    assert b'"fired": true' in said.stdout, said


# A route to the peer that leads over the loopback to nobody: what would leave elsewhere can be counted there.
LEADING_OUT = """
import ctypes, fcntl, socket, struct, sys
def address(text): return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
device = ctypes.create_string_buffer(b"lo")
route = struct.pack("@L16s16s16sHhLPhPLLH", 0, address("198.51.100.0"), address("0.0.0.0"), address("255.255.255.0"),
                    1, 0, 0, 0, 0, ctypes.addressof(device), 0, 0, 0)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x890B, route)
def sent(): return next(line.split()[10] for line in open("/proc/net/dev") if line.split()[0] == "lo:")
before = sent()
try:
    exec(sys.argv[2])
finally:
    print("packets:", int(sent()) - int(before))
"""


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_route_that_leads_out_is_reported_and_not_followed(engine: Engine, image: ImageRef, kind: str) -> None:
    bench = Bench(engine, image, RUN)
    python, *flags, text, args = bench.argv("reach", {"address": PEER, "port": 9, "kind": kind})
    spec = ContainerSpec(
        image=image.id,
        argv=(python, *flags, LEADING_OUT, args, text),
        profile=bench.profile(),
        run_id=RUN,
        role="control",
        without=NEIGHBOUR_WITHOUT,
    )
    with engine.start(spec) as session:
        said = session.finish()
    assert b'"fired": true' in said.stdout, said
    assert b"not followed" in said.stdout
    assert b"packets: 0" in said.stdout


def test_a_family_that_the_kernel_lacks_is_no_protection(engine: Engine, image: ImageRef) -> None:
    said = Bench(engine, image, RUN).guest("socket_family", ("seccomp",), {"family": 44, "kind": 1, "protocol": 0})
    if said.fired is None:
        assert NOT_THERE in said.detail  # 44 is XDP, which small kernels lack
    else:
        assert said.fired or "EPERM" in said.detail


def test_the_neighbour_is_gone_with_its_bench(engine: Engine, image: ImageRef) -> None:
    tcp = next(probe for probe in PROBES if probe.id == "network.tcp")
    with Bench(engine, image, RUN) as bench:
        assert examine_one(bench, tcp).held
        assert len(engine.labelled(f"holdpoint={RUN}")) == 1
    assert engine.labelled(f"holdpoint={RUN}") == ()
