"""The doctor's probes of artifacts: each holds in real containers, and falls when our reader is taken away."""

import io
import secrets
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.container import Artifact, Engine, ensure_sandbox_image
from harness.doctor import artifacts
from harness.doctor.artifacts import PROBES
from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.probe import Fired, Outcome, Probe, ProbeResult
from harness.trial.report import SessionReport

pytestmark = pytest.mark.engine

each = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Engine.connect() as engine:
        yield Bench(engine, ensure_sandbox_image(engine, print), f"test-{secrets.token_hex(4)}")


class Trusting:
    """A reader that takes every entry at its word."""

    def __init__(self, *_: object) -> None:
        self.data = b""

    def feed(self, data: bytes) -> tuple[Artifact, ...]:
        self.data += data
        return ()

    def end(self) -> tuple[Artifact, ...]:
        with tarfile.open(fileobj=io.BytesIO(self.data)) as archive:
            return tuple(Artifact(path=entry.name, data=b"") for entry in archive)


class Credulous:
    """A listener that goes by the last word it heard."""

    def __init__(self, *_: object) -> None:
        self.last = b""

    def hear(self, line: bytes) -> None:
        if b'"e": "end"' in line:
            self.last = line

    def report(self) -> SessionReport:
        outcomes = ("passed",) if b'"status": 0' in self.last else ("failed",)
        return SessionReport(ids=("test_a",), outcomes=outcomes, bodies=("",), problems=(), log="")


@pytest.fixture(scope="module")
def results(bench: Bench) -> dict[str, ProbeResult]:
    return {result.id: result for result in examine(bench, PROBES)}


@each
def test_holds(results: dict[str, ProbeResult], probe: Probe) -> None:
    assert results[probe.id].held, results[probe.id]


@pytest.fixture(scope="module")
def unprotected(bench: Bench) -> dict[str, Outcome]:
    """Every attack without our readers; that of the swap is in the image, so there the control stands in."""
    acts = [probe.control if probe.id == "artifacts.swap" else probe.attack for probe in PROBES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "ArtifactReader", Trusting)
        patch.setattr(artifacts, "Listener", Credulous)
        with ThreadPoolExecutor(4) as hands:
            return dict(zip((p.id for p in PROBES), hands.map(lambda act: act(bench), acts), strict=True))


@each
def test_falls_without_our_readers(unprotected: dict[str, Outcome], probe: Probe) -> None:
    assert isinstance(unprotected[probe.id], Fired), unprotected[probe.id]
