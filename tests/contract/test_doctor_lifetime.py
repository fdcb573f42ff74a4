"""The lifetime probes on a real engine: each holds, each control works, and our clean-up is what stops them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.container import Engine, ImageRef
from harness.doctor import restart
from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.lifetime import PROBES
from harness.doctor.probe import Fired, Unclear

pytestmark = pytest.mark.engine

RUN = "test-doctor-lifetime"
BY_ID = {probe.id: probe for probe in PROBES}


class Toothless(Engine):
    """An engine that is asked for no kill and no removal until the test ends, and for no patience."""

    held: list[str]

    def kill(self, container: str) -> None:
        """Nothing dies."""

    def await_exit(self, container: str, seconds: float) -> bool:
        return False

    def remove(self, container: str) -> None:
        self.held.append(container)

    def let_go(self) -> None:
        for container in self.held:
            super().remove(container)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def test_every_probe_holds_and_every_control_fires(engine: Engine, image: ImageRef) -> None:
    results = examine(Bench(engine, image, RUN), PROBES)
    assert [result for result in results if not result.held] == []
    assert next(result.seconds for result in results if result.id == "lifetime.engine_restarted") < 30
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if "holdpoint-scratch-" in line]


def test_what_is_not_killed_is_seen_to_linger(image: ImageRef) -> None:
    engine = Toothless.connect()
    engine.held = []
    bench = Bench(engine, image, RUN)
    try:
        with ThreadPoolExecutor(2) as hands:
            outcomes = list(hands.map(lambda name: BY_ID[name].attack(bench), ("lifetime.deaf", "lifetime.stopped")))
    finally:
        engine.let_go()
        engine.close()
    assert [type(outcome) for outcome in outcomes] == [Fired, Fired]


def test_orphans_without_labels_are_not_found(engine: Engine, image: ImageRef) -> None:
    probe = BY_ID["lifetime.neighbour"]
    assert probe.settings == ("labels",)
    assert isinstance(probe.attack(Bench(engine, image, RUN, off=("labels",))), Fired)


def test_where_no_engine_of_its_own_can_be_started_the_probe_says_why(
    engine: Engine, image: ImageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "PATH", str(tmp_path))
    outcome = BY_ID["lifetime.engine_restarted"].attack(Bench(engine, image, RUN))
    assert outcome == Unclear(detail="dockerd is not installed here")
