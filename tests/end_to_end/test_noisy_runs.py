"""Noisy metrics by the real command: an open question goes on where it stopped, and its coins are kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import EvidenceStore
from harness.records import Evidence
from harness.trial.noisy import coin
from tests.end_to_end.conftest import CONFIG, SOURCE, TEST, Target, initialised

pytestmark = [pytest.mark.engine, pytest.mark.soak]

BENCH = (
    "import json, random\nfrom calc import add\n"
    'print(json.dumps({"metric": "luck", "task": "all", "value": random.random() + add(0, 0)}))\n'
)
METRIC = (
    '[[metric]]\nname = "luck"\nkind = "score"\ndirection = "higher"\n'
    'run = "bench/bench.py"\neffect = 0.01\npairs = 2\n'
)


@pytest.fixture
def noisy_target(repository: Callable[..., Path]) -> Target:
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST, "bench/bench.py": BENCH}
    return initialised(repository({**files, "holdpoint.toml": CONFIG + METRIC}))


def evidence_of(target: Target, proposal: str) -> tuple[EvidenceStore, Evidence]:
    store = EvidenceStore(target.root / ".git" / "holdpoint" / "evidence")
    return store, store.evidence(target("show", proposal).json["evidence"])


def test_an_open_question_goes_on_where_it_stopped(noisy_target: Target, tmp_path: Path) -> None:
    overlay = noisy_target.overlay(tmp_path / "overlay", SOURCE + "\nTHREE = 3\n")
    proposal = noisy_target("propose", "--overlay", overlay, "--title", "luck", "--claim").json["proposal"]
    seen: tuple[float, ...] = ()
    for run in (1, 2):  # four pairs cannot decide anything, whatever luck does: the e-value is below ten
        answer = noisy_target("run", proposal)
        assert answer.json["verdict"] == "inconclusive", answer
        store, evidence = evidence_of(noisy_target, proposal)
        assert evidence.differences["luck"][: len(seen)] == seen, (
            "the earlier pairs are the beginning of the later ones"
        )
        seen = evidence.differences["luck"]
        (effect,) = evidence.effects
        assert (effect.pairs, len(effect.path), evidence.attempt, evidence.level) == (2 * run, 2 * run, run - 1, 0.05)
        (log,) = (json.loads(store.get(digest)) for digest in evidence.coins)
        assert log["earlier"] == ({} if run == 1 else {"luck": 2 * run - 2})
        orders = ["baseline" if coin(bytes.fromhex(log["secret"]), n) else "candidate" for n in range(2 * run)]
        assert [pair["first"] for pair in log["pairs"]] == orders[-2:]
    shown = noisy_target("show", proposal, json=False).out
    assert "4 pairs" in shown


def test_selfcheck_says_that_luck_admits_no_small_effect(noisy_target: Target) -> None:
    answer = noisy_target("experiment", "selfcheck", "--pairs", "6", timeout=300)
    assert answer.code == 1, answer
    (check,) = answer.json["checks"]
    assert (check["metric"], check["pairs"], check["limit"], check["admits"]) == ("luck", 6, 2, False)
    assert 0.05 < check["spread"] < 3
    assert noisy_target("experiment", "selfcheck", "--metric", "none").code == 2
    assert noisy_target("experiment", "selfcheck", "--pairs", "6", json=False, timeout=300).out.startswith(
        "luck: the noise"
    )
