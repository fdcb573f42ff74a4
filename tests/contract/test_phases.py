"""`holdpoint status` tells what must be true before an agent may be its own subject, and is loud when it is not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gate_stage import Stage, build

from harness.cli.app import build as build_app
from harness.cli.shell import run
from harness.doctor.probe import ProbeResult
from harness.doctor.proof import Proof, quick_probes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any record."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "holdpoint"


def status(stage: Stage, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], dict[str, bool], str]:
    assert run(build_app, ["status", "--repo", str(stage.root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["self_modification"]
    assert run(build_app, ["status", "--repo", str(stage.root)]) == 0
    return found, {phase["phase"]: phase["ok"] for phase in found["phases"]}, capsys.readouterr().out


def proof(home: Path, *, fell: bool) -> None:
    """The doctor's record of an engine, as it writes it."""
    results = tuple(
        ProbeResult(
            id=probe.id, group=probe.group, held=not fell, attack="fired" if fell else "blocked", control="fired",
            detail="", control_detail="", settings=(), seconds=0.1,
        )
        for probe in quick_probes()
    )  # fmt: skip
    made = Proof(
        engine="e", version="20.10", kernel="k", profile="p", image="i", at=datetime(2026, 3, 1, tzinfo=UTC),
        results=results,
    )  # fmt: skip
    (home / "doctor").mkdir(parents=True, exist_ok=True)
    (home / "doctor" / "x.json").write_text(made.model_dump_json())


def test_nothing_is_taken_for_granted_and_each_phase_is_told(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = build(tmp_path, reviewers=("ana",), root=False)
    found, phases, words = status(stage, capsys)
    assert phases == {"tests": False, "engine": False, "judge": True, "reviewers": False, "policy": False}
    assert (found["allowed"], found["ready"]) == (False, False)
    for step in ("holdpoint run --all", "holdpoint doctor", "holdpoint reviewer add", 'use = "self"'):
        assert step in words
    assert "!!!!" not in words, "it is not switched on"


def test_what_is_true_is_said_to_be(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = build(tmp_path, policy="self")
    stage.waiting()
    proof(home, fell=False)
    found, phases, words = status(stage, capsys)
    assert all(phases.values()), found
    assert found["ready"]
    assert "2 tests passed on this base (P00001)" in words
    proof(home, fell=True)
    assert not status(stage, capsys)[1]["engine"]
    (home / "doctor" / "x.json").write_text("{")
    assert not status(stage, capsys)[1]["engine"]
    (home / "integrity.json").write_text('{"corpora": {"shipped": {"some-attack": "expected fail, found pass"}}}')
    _, phases, words = status(stage, capsys)
    assert not phases["judge"]
    assert "some-attack" in words


def test_switched_on_too_early_is_loud(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = build(tmp_path)
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    commit, _ = stage.repo.commit_edits(
        stage.tip(), {"holdpoint.toml": raw.replace(b"allow = false", b"allow = true")}, message="x", author="ana",
        branch=None, at=stage.clock(),
    )  # fmt: skip
    stage.repo.land("main", commit, stage.tip())
    found, _, words = status(stage, capsys)
    assert found["allowed"]
    assert not found["ready"]
    assert "!!!! it is switched on although not all of this is true" in words
