"""The doctor's probes of git: each holds in real repositories, and falls when plain git stands in for ours."""

import io
import subprocess
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.git import PROBES
from harness.doctor.probe import Fired, Outcome, Probe, ProbeResult
from harness.doctor.stage import Stage
from harness.repo import Moved, Repo

NO_BENCH = cast("Bench", None)  # these probes need no engine

each = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)


@pytest.fixture(scope="module")
def results() -> dict[str, ProbeResult]:
    return {result.id: result for result in examine(NO_BENCH, PROBES)}


@each
def test_holds(results: dict[str, ProbeResult], probe: Probe) -> None:
    assert results[probe.id].held, results[probe.id]


class Plain:
    """What of `Repo` the probes use, by plain git in the target itself."""

    def __init__(self, stage: Stage, where: Path | None) -> None:
        self.stage, self.where = stage, where or stage.root

    def git(self, *args: str) -> str:
        return self.stage.git(*args, where=self.where)

    def dirty(self) -> tuple[str, ...]:
        return tuple(line[3:] for line in self.git("status", "--porcelain").splitlines())

    def diff(self, a: str, b: str) -> bytes:
        self.git("checkout", "-q", "--detach", b)
        return self.git("diff", a, b).encode()

    def changed_paths(self, a: str, b: str) -> tuple[str, ...]:
        return tuple(self.git("diff", "--name-only", a, b).splitlines())

    def merge(self, a: str, b: str, **_: object) -> None:
        self.git("merge-tree", "--write-tree", a, b)

    def land(self, ref: str, new: str, _old: str) -> Moved:
        self.git("update-ref", f"refs/heads/{ref}", new)
        self.git("checkout", "-qf", ref)
        self.git("commit", "--allow-empty", "-m", "x")
        return Moved(ref, new)

    def read(self, commit: str, path: str) -> bytes:
        return self.git("show", f"{commit}:{path}").encode() + b"\n"

    def read_matching(self, commit: str, _patterns: Iterable[str]) -> dict[str, bytes]:
        data = subprocess.run(["git", "archive", commit], cwd=self.where, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {entry.name: b"" for entry in archive}

    def parents(self, commit: str) -> tuple[str, ...]:
        return tuple(self.git("rev-list", "--parents", "-1", commit).split()[1:])

    def tree_of(self, commit: str) -> str:
        return self.git("rev-parse", f"{commit}^{{tree}}")

    def manifest_digest(self, tree: str) -> str:
        return self.git("ls-tree", "-r", "--object-only", tree)

    def files(self, commit: str) -> object:
        return Repo.find(self.stage.root).files(commit)


@pytest.fixture(scope="module")
def unprotected() -> dict[str, Outcome]:
    """Every attack with plain git in our place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "repo", lambda stage, where=None: Plain(stage, where))
        with ThreadPoolExecutor(4) as hands:
            return dict(zip((p.id for p in PROBES), hands.map(lambda p: p.attack(NO_BENCH), PROBES), strict=True))


@each
def test_falls_with_plain_git(unprotected: dict[str, Outcome], probe: Probe) -> None:
    assert isinstance(unprotected[probe.id], Fired), unprotected[probe.id]
