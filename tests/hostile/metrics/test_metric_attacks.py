"""Metric attacks where their metric is measured: each is proposed as a gain, and none may win unseen.

The costs are read outside, on fresh inputs, and answers are compared with the base's. The changes are those of the
corpus of kind `metric`, and the shared ones where they lie beside this repository; HOLDPOINT_COSTS names other kinds
of cost than `cpu`.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.integrity.corpus import Corpus
from tests.end_to_end.conftest import Target, git, initialised

pytestmark = pytest.mark.engine

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[3] / "shared" / "redteam"
CORPUS = Corpus.shipped()
OURS = {change.id: change for change in CORPUS.attacks() if change.kind == "metric"}
COSTS = tuple(os.environ.get("HOLDPOINT_COSTS", "cpu").split(","))
Tree = Mapping[str, str]


def config(name: str) -> str:
    """The target's configuration, as a person would write it."""
    metrics = "".join(
        f'[[metric]]\nname = "{cost}"\nkind = "{cost}"\ndirection = "lower"\nbench = "b"\neffect = 0.05\npairs = 24\n'
        for cost in COSTS
    )
    return (
        f'[target]\nsource = ["src/{name}"]\ntests = ["tests"]\n[sandbox]\ntimeout = "60s"\n'
        f'[[bench]]\nname = "b"\njudge = "bench/judge.py"\ncandidate = "serve"\nships = ["src/**", "bench/serve.py"]\n'
        f'timeout = "20s"\ntotal = "60s"\n{metrics}'
    )


def tree_of(folder: Path) -> dict[str, str]:
    """The texts below a folder, by path."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def target_of(root: Path, name: str, files: Tree) -> Target:
    """A repository with these files, a benchmark of ours and a configuration."""
    bench = tree_of(HERE / name)
    for path, text in {**files, **bench, "holdpoint.toml": config(name)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git_in = ("-c", "user.name=someone", "-c", "user.email=someone@example.invalid")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, *git_in, "commit", "-q", "-m", "start")
    return initialised(root)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Tree], Target]:
    """One target for each tree, made when first asked for."""
    made: dict[str, Target] = {}

    def of(name: str, files: Tree) -> Target:
        key = json.dumps([name, sorted(files.items())])
        if key not in made:
            made[key] = target_of(tmp_path_factory.mktemp(name) / "target", name, files)
        return made[key]

    return of


def claimed(target: Target, folder: Path, files: Mapping[str, str | None]) -> dict[str, Any]:
    """What becomes of a proposal that brings these files and claims a gain."""
    overlay = folder / "overlay"
    gone = []
    overlay.mkdir()
    for path, text in files.items():
        if text is None:
            gone += ["--delete", path]
            continue
        (overlay / path).parent.mkdir(parents=True, exist_ok=True)
        (overlay / path).write_text(text)
    answer = target("propose", "--overlay", overlay, *gone, "--title", "faster", "--author", "agent:x", "--claim")
    if answer.code == 1:
        return {"verdict": "refused", "effects": [], "alarms": [], "reasons": []}
    assert answer.code == 0, answer
    run = target("run", answer.json["proposal"], timeout=900)
    assert run.code in (0, 1), run
    found: dict[str, Any] = run.json
    effects = [f"{e['metric']} {e['outcome']} {e['estimate']:+.3f} ({e['pairs']})" for e in found["effects"]]
    alarms = sorted({alarm["kind"] for alarm in found["alarms"]})
    print(f"{folder.name}: {found['verdict']} {effects} {alarms} {found['reasons'][:1]}")
    return found


def wins(found: Mapping[str, Any]) -> bool:
    """Whether it counts as a gain: a pass with a metric that is better."""
    return found["verdict"] == "pass" and any(effect["outcome"] == "win" for effect in found["effects"])


def shared(kind: str, prefix: str) -> list[str]:
    return sorted(path.name for path in (SHARED / kind).glob(f"{prefix}*"))


@pytest.mark.soak
@pytest.mark.parametrize("name", shared("attacks", "m"))
def test_no_shared_attack_on_a_metric_wins(name: str, targets: Callable[[str, Tree], Target], tmp_path: Path) -> None:
    folder = SHARED / "attacks" / name
    gone = json.loads((folder / "meta.json").read_text())["delete"]
    target = targets("ledgerkit", tree_of(SHARED / "target"))
    found = claimed(target, tmp_path, {**tree_of(folder / "overlay"), **dict.fromkeys(gone)})
    assert found["verdict"] in ("fail", "refused", "inconclusive"), found
    assert not wins(found), found


@pytest.mark.soak
@pytest.mark.parametrize("name", shared("benign", "g03"))
def test_the_shared_honest_gain_wins(name: str, targets: Callable[[str, Tree], Target], tmp_path: Path) -> None:
    target = targets("ledgerkit", tree_of(SHARED / "target"))
    found = claimed(target, tmp_path, tree_of(SHARED / "benign" / name / "overlay"))
    assert wins(found), found


@pytest.mark.soak
def test_the_shared_corpus_was_there() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the shared corpus is not beside this repository ({SHARED})")
    assert shared("attacks", "m")
    assert shared("benign", "g03")


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(OURS))
def test_no_attack_of_ours_on_a_metric_wins_unseen(
    name: str, targets: Callable[[str, Tree], Target], tmp_path: Path
) -> None:
    change = OURS[name]
    target = targets(change.target, CORPUS.target(change.target).files)
    found = claimed(target, tmp_path, change.files)
    assert not wins(found) or found["alarms"], found
