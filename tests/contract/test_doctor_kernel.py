"""The kernel's probes on a real engine: each holds, each control works, and each falls without what it names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.container import Engine, ImageRef
from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.kernel import PROBES
from harness.doctor.probe import Blocked, Probe

pytestmark = pytest.mark.engine

RUN = "test-doctor-kernel"
FALLS = [(probe, setting) for probe in PROBES for setting in probe.settings]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def test_every_probe_holds_and_every_control_fires(engine: Engine, image: ImageRef) -> None:
    results = examine(Bench(engine, image, RUN), PROBES)
    assert [result for result in results if not result.held] == []


def test_every_probe_falls_without_the_setting_that_it_names(engine: Engine, image: ImageRef) -> None:
    def outcome(probe: Probe, setting: str) -> str:
        return type(probe.attack(Bench(engine, image, RUN, off=(setting,)))).__name__

    assert len(FALLS) > len(PROBES) // 2
    with ThreadPoolExecutor(4) as hands:
        found = list(hands.map(lambda pair: (pair[0].id, outcome(*pair)), FALLS))
    assert [(name, how) for name, how in found if how != "Fired"] == []


@pytest.mark.parametrize("setting", ["seccomp", "cap_drop", "user"])
def test_what_is_guarded_more_than_once_holds_without_one_guard(engine: Engine, image: ImageRef, setting: str) -> None:
    probe = next(probe for probe in PROBES if probe.id == "kernel.mknod")
    assert probe.settings == ()
    assert isinstance(probe.attack(Bench(engine, image, RUN, off=(setting,))), Blocked)
