"""The probes of what a guest can use up, on a real engine: each holds, and each falls without what protects from it."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.container import Engine, ImageRef, Session
from harness.container.wire import Wire
from harness.doctor import bench as benches
from harness.doctor.bench import MIB, Bench
from harness.doctor.examine import examine, examine_one
from harness.doctor.probe import Fired, Probe, ProbeResult
from harness.doctor.resource import PROBES

pytestmark = pytest.mark.engine

RUN = "test-doctor-resource"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def probe(name: str) -> Probe:
    return next(probe for probe in PROBES if probe.id == f"resource.{name}")


def test_every_probe_holds_and_every_control_fires(engine: Engine, image: ImageRef) -> None:
    results = examine(Bench(engine, image, RUN), PROBES)
    assert [result for result in results if not result.held] == []


def test_every_probe_falls_without_the_setting_that_it_names(engine: Engine, image: ImageRef) -> None:
    seen: list[ProbeResult] = []
    for setting in sorted({setting for probe in PROBES for setting in probe.settings}):
        bench = Bench(engine, image, RUN, off=(setting,))
        seen += examine(bench, [probe for probe in PROBES if setting in probe.settings])
    assert len(seen) == sum(len(probe.settings) for probe in PROBES)
    assert [result for result in seen if result.attack != "fired"] == []


@pytest.mark.parametrize(
    ("name", "guards"),
    [("message_queue", ("seccomp", "ulimit.msgqueue")), ("huge_report", ("ulimit.fsize", "tmpfs.size"))],
)
def test_what_is_guarded_twice_falls_only_without_both(
    engine: Engine, image: ImageRef, name: str, guards: tuple[str, str]
) -> None:
    for guard in guards:
        assert examine_one(Bench(engine, image, RUN, off=(guard,)), probe(name)).attack == "blocked"
    assert isinstance(probe(name).attack(Bench(engine, image, RUN, off=guards)), Fired)


def test_a_flood_falls_through_without_the_harness_s_limit(
    engine: Engine, image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "LIMITS", benches.LIMITS.model_copy(update={"output": 64 * MIB}))
    assert isinstance(probe("output_flood").attack(Bench(engine, image, RUN)), Fired)


def test_a_line_falls_through_without_the_reader_s_limit(
    engine: Engine, image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = Wire.take_line
    monkeypatch.setattr(Wire, "take_line", lambda wire, deadline, _cap: bounded(wire, deadline, 64 * MIB))
    assert isinstance(probe("endless_line").attack(Bench(engine, image, RUN)), Fired)


def test_time_falls_through_without_the_wall_clock(
    engine: Engine, image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "_stop_if_over", lambda _session: None)
    monkeypatch.setattr(Wire, "drain", _patient(Wire.drain))
    assert isinstance(probe("wall_clock").attack(Bench(engine, image, RUN)), Fired)


def test_a_child_s_end_falls_through_when_the_engine_s_record_is_not_read(
    engine: Engine, image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Engine.state
    monkeypatch.setattr(Engine, "state", lambda self, container: {**read(self, container), "OOMKilled": False})
    assert isinstance(probe("child_oom").attack(Bench(engine, image, RUN)), Fired)


def _patient(drain: Any) -> Any:
    return lambda wire, deadline: drain(wire, deadline + 60)
