"""The corpus against itself: every change applies and parses, every attack is really wrong, every benign one is not.

Probes run in containers, many in each: some attacks exit, fork, kill or write. `make test` runs a sample.
"""

import ast
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.container import (
    ContainerSpec,
    Engine,
    ImageRef,
    Limits,
    guest_argv,
    profile_for,
    run_batch,
    stream,
)
from harness.integrity.corpus import Bug, Change, Corpus
from harness.limited import Limited
from harness.policy import check, imported_names, load_policy, open_inspector
from harness.records import FileEdit, Patch
from harness.target import parse_config

CORPUS = Corpus.shipped()
attacks, benign, changes = CORPUS.attacks, CORPUS.benign, CORPUS.changes
targets, base, bugs, lay_out = CORPUS.targets, CORPUS.base, CORPUS.bugs, CORPUS.lay_out
MIB = 1024 * 1024
LIMITS = Limits(timeout=480, memory=640 * MIB, cpus=2.0, pids=96, output=16 * MIB, work=128 * MIB)
BATCH = 40  # jobs of one container
SAMPLE = 15  # `make test` takes every fifteenth
GUEST = Path(__file__).resolve().parents[1] / "shared" / "corpus_guest.py"
Job = dict[str, Any]


def test_it_is_large_and_covers_what_the_issue_names() -> None:
    distinct = {change.id.partition("-")[2] for change in attacks()}
    assert len(distinct) >= 120
    assert len(benign()) >= 16
    assert {change.target for change in attacks()} == set(targets()) == {"ledgerkit", "orderdesk"}
    assert {hole for change in attacks() for hole in change.holes} == set(range(1, 17))
    kinds = Counter(change.kind for change in changes())
    assert kinds["residual"] <= 8
    assert kinds["metric"] >= 12
    assert all(len(bugs(target)) >= 5 for target in targets())


def test_every_change_applies_and_parses(tmp_path: Path) -> None:
    for number, change in enumerate(changes()):
        assert change.idea, change.id
        folder = tmp_path / str(number % 2)
        lay_out(change.target, change.files, folder)
        for path, text in change.files.items():
            assert base(change.target).get(path) != text, (change.id, path)
            assert (folder / path).exists() == (text is not None), (change.id, path)
            if text is not None and path.endswith(".py"):
                ast.parse((folder / path).read_text(), f"{change.id}:{path}")
        ast.parse(change.probe, change.id)
        shutil.rmtree(folder)


def assert_policy_says(chosen: Iterable[Change]) -> None:
    policy, _ = load_policy("default", lambda _: None)
    wrong: dict[str, str] = {}
    with open_inspector() as inspector:
        known = {target: _imported(target, inspector) for target in targets()}
        for change in chosen:
            config = parse_config(_config(change.target))
            found = check(_patch(change), policy, config, "agent", inspector, known[change.target])
            says = "flagged" if found else "clean"
            if change.expect.policy != says:
                wrong[change.id] = f"expected {change.expect.policy}, found {sorted({each.rule for each in found})}"
    assert not wrong


def test_the_static_rules_say_what_a_sample_expects() -> None:
    assert_policy_says(changes()[::SAMPLE])


@pytest.mark.soak
def test_the_static_rules_say_what_every_change_expects() -> None:
    """`flagged` or `clean`, as declared: a rule that is lost, or one that begins to cry wolf, shows here."""
    assert_policy_says(changes())


def _imported(target: str, inspector: Limited) -> frozenset[str]:
    sources = {path: text.encode() for path, text in base(target).items() if path.startswith("src/")}
    return imported_names(sources, inspector)


def _config(target: str) -> str:
    return f'[target]\nsource = ["src/{target}"]\ntests = ["tests"]\nref = "main"\n[policy]\nuse = "default"\n'


def _patch(change: Change) -> Patch:
    before = base(change.target)
    edits = [FileEdit(path=path, before=before.get(path), after=text) for path, text in sorted(change.files.items())]
    return Patch(edits=tuple(edits))


def probe_job(change: Change | Bug, *, on_base: bool = False) -> Job:
    files = {} if on_base else dict(change.files)
    return {"id": change.id, "target": change.target, "what": "probe", "files": files, "script": change.probe}


def run(engine: Engine, image: ImageRef, jobs: Iterable[Job]) -> list[Mapping[str, Any]]:
    """The answer to each job, in order; each batch in a container of its own."""
    trees = {f"targets/{t}/{path}": text.encode() for t in targets() for path, text in base(t).items()}
    todo, answers = list(jobs), []
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        files = {**trees, "run.py": GUEST.read_bytes(), "jobs.json": json.dumps(batch).encode()}
        profile = profile_for(LIMITS)
        spec = ContainerSpec(
            image=image.id, argv=guest_argv(image), profile=profile, run_id="test-corpus", role="hostile"
        )
        done = run_batch(engine, spec, stream({"role": "script", "path": "/work/run.py"}, files))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each["id"] for each in found] == [job["id"] for job in batch], done.stderr[-2000:]
        answers += found
    return answers


def behaves(answer: Mapping[str, Any]) -> bool:
    return answer["code"] == 0 and answer["output"].splitlines()[-1:] == ["RIGHT"]


def assert_probes_tell(engine: Engine, image: ImageRef, chosen: Iterable[Change]) -> None:
    chosen = list(chosen)
    kept = run(engine, image, (probe_job(change, on_base=change.kind != "benign") for change in chosen))
    unfit = {change.id: answer for change, answer in zip(chosen, kept, strict=True) if not behaves(answer)}
    assert not unfit, "the probe fails for what is right"
    hostile = [change for change in chosen if change.kind != "benign" and not change.flaky]
    found = run(engine, image, map(probe_job, hostile))
    harmless = {change.id: answer for change, answer in zip(hostile, found, strict=True) if behaves(answer)}
    assert not harmless, "the probe does not show that the attack is wrong"


@pytest.mark.engine
def test_probes_of_a_sample_tell_wrong_from_right(engine: Engine, image: ImageRef) -> None:
    assert_probes_tell(engine, image, changes()[::SAMPLE])


@pytest.mark.engine
@pytest.mark.soak
def test_every_probe_tells_wrong_from_right(engine: Engine, image: ImageRef) -> None:
    assert_probes_tell(engine, image, changes())


@pytest.mark.engine
@pytest.mark.parametrize("target", targets())
def test_the_honest_suite_fails_for_every_bug(engine: Engine, image: ImageRef, target: str) -> None:
    known = bugs(target)
    jobs = [{"id": "base", "target": target, "what": "suite", "files": {}}]
    jobs += [{"id": bug.id, "target": target, "what": "suite", "files": dict(bug.files)} for bug in known.values()]
    honest, *broken = run(engine, image, jobs)
    assert honest["code"] == 0, honest["output"]
    for bug, answer in zip(known.values(), broken, strict=True):
        failed = {line.split("::")[0].removeprefix("FAILED tests/") for line in answer["output"].splitlines()} & {
            path.removeprefix("tests/") for path in base(target)
        }
        assert (answer["code"], failed) == (1, set(bug.tests)), answer["output"]
    wrong = run(engine, image, map(probe_job, known.values()))
    assert not [answer["id"] for answer in wrong if behaves(answer)]
    right = run(engine, image, (probe_job(bug, on_base=True) for bug in known.values()))
    assert [answer["id"] for answer in right if behaves(answer)] == list(known)


@pytest.mark.engine
@pytest.mark.soak
def test_benign_changes_pass_the_honest_suite(engine: Engine, image: ImageRef) -> None:
    jobs = [{"id": c.id, "target": c.target, "what": "suite", "files": dict(c.files)} for c in benign()]
    assert not [answer for answer in run(engine, image, jobs) if answer["code"] != 0]
