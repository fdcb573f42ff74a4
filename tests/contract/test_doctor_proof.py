"""What was proven of an engine is kept, and no trial starts on an engine that failed or that nobody examined."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.container import Engine, ImageRef
from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.probe import ProbeResult
from harness.doctor.proof import MOST_UNPROVEN, Proofs, quick_probes, require, sound
from harness.doctor.registry import PROBES
from harness.errors import RefusedError
from harness.target import render_config

pytestmark = pytest.mark.engine
RUN = "test-proof"


def result(number: int, attack: str = "blocked", control: str = "fired") -> ProbeResult:
    return ProbeResult.model_validate(
        {
            "id": f"kernel.made-up-{number}",
            "group": "kernel",
            "held": attack == "blocked" and control == "fired",
            "attack": attack,
            "control": control,
            "detail": "",
            "control_detail": "",
            "settings": (),
            "seconds": 0.1,
        }
    )


def test_an_unknown_engine_is_examined_once_with_the_quick_probes(
    engine: Engine, image: ImageRef, tmp_path: Path
) -> None:
    said: list[str] = []
    first = require(Bench(engine, image, RUN), Proofs(tmp_path), (), said.append)
    assert {found.id for found in first.results} == {probe.id for probe in quick_probes()}
    assert len(said) == 1
    again = require(Bench(engine, image, RUN), Proofs(tmp_path), (), said.append)
    assert again == first
    assert len(said) == 1


def test_a_missing_setting_closes_the_door_unless_the_policy_lets_it_be_missing(
    engine: Engine, image: ImageRef, tmp_path: Path
) -> None:
    weak = Bench(engine, image, RUN, off=("seccomp",))
    with pytest.raises(RefusedError, match="not safe on this engine") as caught:
        require(weak, Proofs(tmp_path), (), lambda _: None)
    assert "holdpoint doctor --group" in caught.value.next_step
    # What failed stays failed for the next caller, who asks no probe again.
    with pytest.raises(RefusedError):
        require(Bench(engine, image, RUN), Proofs(tmp_path), (), lambda _: None)
    require(Bench(engine, image, RUN), Proofs(tmp_path), ("seccomp",), lambda _: None)
    with pytest.raises(RefusedError):
        require(Bench(engine, image, RUN), Proofs(tmp_path), ("memory",), lambda _: None)
    # A later examination replaces the result.
    failed = {found.id for found in Proofs(tmp_path).of(weak).results if found.fell}
    good = Bench(engine, image, RUN)
    Proofs(tmp_path).keep(good, examine(good, [probe for probe in PROBES if probe.id in failed]))
    require(good, Proofs(tmp_path), (), lambda _: None)


def test_what_was_proven_of_another_profile_or_image_is_no_proof(
    engine: Engine, image: ImageRef, tmp_path: Path
) -> None:
    proofs = Proofs(tmp_path)
    proofs.keep(Bench(engine, image, RUN), [result(1)])
    assert proofs.of(Bench(engine, image, RUN)).results
    assert not proofs.of(Bench(engine, image, RUN, runtime="other")).results
    assert not proofs.of(Bench(engine, image.model_copy(update={"id": "sha256:" + "0" * 64}), RUN)).results
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    assert not proofs.of(Bench(engine, image, RUN)).results


def test_sound_means_nothing_fell_and_few_are_unproven() -> None:
    held = [result(number) for number in range(60)]
    unproven = [result(100 + number, control="unproven") for number in range(MOST_UNPROVEN + 1)]
    assert sound(held)
    assert sound([*held, *unproven[:-1]])
    assert not sound([*held, *unproven])
    assert not sound([*held, result(60, attack="fired")])
    assert not sound([*held, result(60, attack="unclear")])
    assert not sound([])


def holdpoint(*arguments: str, state: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(state), "HOLDPOINT_USER": "ana"},
        capture_output=True,
        text=True,
        check=False,
    )


def target(folder: Path) -> None:
    """A target whose proposal changes a value that its test does not look at."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    for name, text in {
        "src/pkg/__init__.py": "value = 1\nother = 1\n",
        "tests/test_a.py": "from pkg import value\n\n\ndef test_value():\n    assert value == 1\n",
        "holdpoint.toml": render_config(("src/pkg",), ("tests",), "main", []),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "start"], check=True)


def test_run_refuses_an_engine_whose_last_examination_failed(engine: Engine, image: ImageRef, tmp_path: Path) -> None:
    folder, state = tmp_path / "target", tmp_path / "state"
    target(folder)
    assert holdpoint("init", state=state, cwd=folder).returncode == 0
    overlay = tmp_path / "overlay" / "src" / "pkg"
    overlay.mkdir(parents=True)
    (overlay / "__init__.py").write_text("value = 1\nother = 2\n")
    proposed = holdpoint(
        "propose", "--overlay", str(tmp_path / "overlay"), "--title", "other", "--author", "agent:a", "--json",
        state=state, cwd=folder,
    )  # fmt: skip
    assert json.loads(proposed.stdout)["status"] == "accepted", proposed.stderr
    bench = Bench(engine, image, RUN)
    proofs = Proofs(state / "holdpoint" / "doctor")
    proofs.keep(bench, [result(1, attack="fired")])
    refused = holdpoint("run", "P00001", state=state, cwd=folder)
    assert refused.returncode == 1, refused.stderr
    assert "kernel.made-up-1" in refused.stderr
    assert "holdpoint doctor" in refused.stderr
    shown = json.loads(holdpoint("show", "P00001", "--json", state=state, cwd=folder).stdout)
    assert shown["verdict"] is None
    proofs.keep(bench, [result(1)])
    passed = holdpoint("run", "P00001", state=state, cwd=folder)
    assert passed.returncode == 0, passed.stderr
