"""The probes that read settings back, on a real engine: each reads what the profile says, and its control the other."""

from collections.abc import Iterator

import pytest

from harness.container import Engine, ImageRef
from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.state import PROBES

pytestmark = pytest.mark.engine

RUN = "test-doctor-state"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def test_every_setting_is_read_back_and_every_control_reads_otherwise(engine: Engine, image: ImageRef) -> None:
    """That each falls without its setting, test_doctor_settings.py shows."""
    with Bench(engine, image, RUN) as bench:
        results = examine(bench, PROBES)
    assert [result for result in results if not result.held] == []


def test_a_program_that_cannot_look_proves_nothing(
    engine: Engine, image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor.bench.program_text", lambda _program: "raise SystemExit('no')")
    results = examine(Bench(engine, image, RUN), PROBES[:2])
    assert {(result.attack, result.control) for result in results} == {("unclear", "unproven")}


def test_one_container_serves_all_readings(engine: Engine, image: ImageRef) -> None:
    bench = Bench(engine, image, RUN)
    assert bench.look() is bench.look()
