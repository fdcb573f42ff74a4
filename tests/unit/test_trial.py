"""Reading hostile reports, comparing rows and totals: the parts of a trial that need no container."""

import json
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Arm
from harness.target import MetricEntry
from harness.trial.bench import BenchResult
from harness.trial.exact import exact_effects
from harness.trial.inputs import import_roots, parse_object
from harness.trial.noisy import Conditions, Series, coin, compare_noisy, compare_pass_fail
from harness.trial.report import Listener, SessionReport
from harness.trial.script import NoRows, Rows, read_rows

WORD = b"0123"
SECRET = b"secret"
TERMS = Conditions(0.05, SECRET)
IDS = ["t.py::a", "t.py::b"]


def phases(number: int, *outcomes: str, marked: bool = False) -> list[dict[str, object]]:
    names = ("setup", "call", "teardown") if len(outcomes) == 3 else ("setup", "teardown")
    pairs = zip(names, outcomes, strict=True)
    return [
        {"e": "phase", "n": number, "when": when, "outcome": outcome, "wasxfail": marked and outcome != "passed"}
        for when, outcome in pairs
    ]


GOOD = [
    {"e": "collected", "ids": IDS},
    {"e": "start", "count": 2},
    *phases(0, "passed", "passed", "passed"),
    *phases(1, "passed", "passed", "passed"),
    {"e": "finished", "exit": 0},
]
END = {"e": "end", "status": 0, "stopped": ""}


def heard(events: list[dict[str, object]], end: dict[str, object] = END) -> SessionReport:
    listener = Listener(WORD)
    for event in events:
        listener.hear(WORD + b"c " + json.dumps(event).encode())
    listener.hear(WORD + b"s " + json.dumps(end).encode())
    return listener.report()


def test_a_plain_session() -> None:
    report = heard(GOOD)
    assert report.ids == tuple(IDS)
    assert report.outcomes == ("passed", "passed")
    assert report.problems == ()


@pytest.mark.parametrize(
    ("outcomes", "marked", "expected"),
    [
        (("passed", "failed", "passed"), False, "failed"),
        (("passed", "passed", "failed"), False, "failed"),
        (("passed", "skipped", "failed"), False, "failed"),
        (("failed", "passed"), False, "failed"),
        (("skipped", "passed"), False, "skipped"),
        (("passed", "skipped", "passed"), False, "skipped"),
        (("passed", "skipped", "passed"), True, "xfailed"),
        (("skipped", "passed"), True, "xfailed"),
    ],
)
def test_outcomes_are_folded_worst_first(outcomes: tuple[str, ...], marked: bool, expected: str) -> None:
    report = heard([*GOOD[:2], *phases(0, *outcomes, marked=marked), *GOOD[5:]])
    assert report.outcomes == (expected, "passed")
    assert report.problems == ()


@pytest.mark.parametrize("index", range(len(GOOD)))
def test_leaving_out_any_event_shows(index: int) -> None:
    report = heard(GOOD[:index] + GOOD[index + 1 :])
    assert report.problems or report.outcomes != ("passed", "passed")


@pytest.mark.parametrize("index", range(len(GOOD)))
def test_saying_any_event_twice_shows(index: int) -> None:
    assert heard([*GOOD[: index + 1], GOOD[index], *GOOD[index + 1 :]]).problems


@pytest.mark.parametrize("seed", range(20))
def test_no_other_order_is_accepted(seed: int) -> None:
    shuffled = random.Random(seed).sample(GOOD, len(GOOD))
    assert shuffled == GOOD or heard(shuffled).problems


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"s " + json.dumps(END).encode(),
        b"9999c " + json.dumps(GOOD[0]).encode(),
        WORD + b"x {}",
        WORD + b"c " + b"[" * 100_000,
        WORD + b"c " + b"1" * 10_000,
        WORD + b"c null",
        WORD + b'c {"e": NaN}',
        WORD + b'c {"e": "\xff"}',
    ],
)
def test_lines_that_nobody_of_ours_wrote(line: bytes) -> None:
    listener = Listener(WORD)
    for event in GOOD:
        listener.hear(WORD + b"c " + json.dumps(event).encode())
    listener.hear(line)
    listener.hear(WORD + b"s " + json.dumps(END).encode())
    assert listener.report().problems


@pytest.mark.parametrize(
    "end",
    [
        {"e": "end", "status": 1, "stopped": ""},
        {"e": "end", "status": -9, "stopped": ""},
        {"e": "end", "status": None, "stopped": "timeout"},
        {"e": "unknown"},
    ],
)
def test_an_end_that_does_not_fit(end: dict[str, object]) -> None:
    assert heard(GOOD, end).problems


def test_ids_that_cannot_be_encoded_are_made_visible() -> None:
    report = heard([{"e": "collected", "ids": ["t.py::\ud800"]}, {"e": "start", "count": 1}])
    assert report.ids == ("t.py::\\ud800",)
    report.model_dump_json()


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_at_all_break_the_reader(lines: list[bytes]) -> None:
    listener = Listener(WORD)
    for line in lines:
        listener.hear(line)
        listener.hear(WORD + b"c " + line)
    assert listener.report().problems


def test_import_roots() -> None:
    packages = {"src/tinker", "pkg", "pkg/sub"}
    assert import_roots(("src/tinker/policy.py",), packages.__contains__, "/judge") == ("/judge/src",)
    assert import_roots(("pkg/sub", "calc.py"), packages.__contains__, "/judge") == ("/judge",)
    assert import_roots(("src",), packages.__contains__, "/judge") == ("/judge/src",)


def metric(name: str, **changes: object) -> MetricEntry:
    fields: dict[str, object] = {"name": name, "kind": "time", "direction": "lower", "run": "bench.py", **changes}
    return MetricEntry.model_validate(fields)


class Bench:
    """A simulated benchmark: costs by arm, with noise and drift; counts its runs."""

    def __init__(self, costs: Mapping[Arm, float], name: str = "t", spread: float = 0.05) -> None:
        self.costs, self.name, self.spread = costs, name, spread
        self.random, self.order = random.Random(3), []

    def __call__(self, arm: Arm, seed: int = 0) -> Rows | NoRows:
        self.order.append(arm)
        drift = 1 + len(self.order) / 50
        rows = {task: {"1": self.costs[arm] * drift * self.random.lognormvariate(0, self.spread)} for task in "ab"}
        return Rows(values={self.name: rows})


def test_noisy_outcomes_and_the_logged_order() -> None:
    better = Bench({"baseline": 1.0, "candidate": 0.85})
    series = compare_noisy((metric("t"),), better, TERMS)
    (effect,) = series.effects
    assert effect.outcome == "win"
    assert effect.estimate == pytest.approx(0.16, abs=0.08)
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < 0.16 < effect.high
    assert effect.pairs < 30
    assert better.order[::2] == ["baseline" if coin(SECRET, n) else "candidate" for n in range(effect.pairs)]
    log = json.loads(series.blobs[-1])
    assert log["secret"] == SECRET.hex()
    assert [pair["first"] for pair in log["pairs"]] == better.order[::2]
    assert log["differences"]["t"] == series.differences["t"]
    worse = compare_noisy((metric("t"),), Bench({"baseline": 1.0, "candidate": 1.3}), TERMS)
    assert worse.effects[0].outcome == "worse"
    equal = compare_noisy((metric("t", effect=0.2),), Bench({"baseline": 1.0, "candidate": 1.0}), TERMS)
    assert equal.effects[0].outcome == "no worse"
    higher = metric("t", kind="score", direction="higher")
    scored = compare_noisy((higher,), Bench({"baseline": 1.0, "candidate": 2.0}), TERMS)
    assert scored.effects[0].outcome == "win"


def continuing(first: Series, alpha: float = 0.05) -> Conditions:
    return Conditions(alpha, SECRET, {name: tuple(d) for name, d in first.differences.items()}, attempt=1)


def test_an_open_comparison_is_continued_not_restarted() -> None:
    entry = metric("t", pairs=5)  # five pairs cannot win: the same comparison gets five more, and five more
    series = compare_noisy((entry,), Bench({"baseline": 1.0, "candidate": 0.9}), TERMS)
    assert (series.effects[0].outcome, series.effects[0].pairs) == ("inconclusive", 5)
    for run in (1, 2, 3):
        before = series
        bench = Bench({"baseline": 1.0, "candidate": 0.9})
        series = compare_noisy((entry,), bench, continuing(before))
        (effect,) = series.effects
        assert effect.pairs == 5 * run + len(bench.order) // 2
        assert series.differences["t"][: 5 * run] == before.differences["t"]
        assert effect.path[: 5 * run] == before.effects[0].path
        if effect.outcome == "win":
            break
    assert effect.outcome == "win"
    assert effect.e_value >= 20
    assert json.loads(series.blobs[-1])["earlier"] == {"t": 5 * run}


def test_a_decided_comparison_stays_decided_and_takes_no_more_pairs() -> None:
    won = compare_noisy((metric("t"),), Bench({"baseline": 1.0, "candidate": 0.8}), TERMS)
    bench = Bench({"baseline": 1.0, "candidate": 2.0})
    again = compare_noisy((metric("t"),), bench, continuing(won))
    assert bench.order == []
    assert again.effects[0].outcome == "win"
    assert again.effects[0].pairs == won.effects[0].pairs


def test_a_spent_budget_lets_nothing_win() -> None:
    bench = Bench({"baseline": 1.0, "candidate": 0.5})
    (effect,) = compare_noisy((metric("t", pairs=20),), bench, Conditions(0.0, SECRET)).effects
    assert effect.outcome == "no worse"
    assert (effect.alpha, effect.pairs) == (0.0, 20)


def test_a_comparison_that_needs_a_win_ends_when_there_can_be_none() -> None:
    def pairs(*, needs_win: bool, candidate: float = 1.0) -> tuple[str, bool, int]:
        terms = Conditions(0.05, SECRET, needs_win=needs_win)
        bench = Bench({"baseline": 1.0, "candidate": candidate}, spread=0.2)
        (effect,) = compare_noisy((metric("t", effect=0.3, margin=0.02),), bench, terms).effects
        return effect.outcome, effect.futile, effect.pairs

    outcome, futile, used = pairs(needs_win=True)
    assert (outcome, futile) == ("inconclusive", True)
    assert pairs(needs_win=False)[2] > used
    assert pairs(needs_win=True, candidate=0.5)[0] == "win"


def test_a_guardrail_does_not_keep_a_hopeless_claim_going() -> None:
    class Two(Bench):
        def __call__(self, arm: Arm, seed: int = 0) -> Rows | NoRows:
            rows = super().__call__(arm)
            assert isinstance(rows, Rows)
            wild = {"x": {"1": 5.0 + 10 * self.random.random()}}
            return rows.model_copy(update={"values": {**rows.values, "wild": wild}})

    both = (metric("t", effect=0.3), metric("wild", role="guardrail", margin=0.001))
    series = compare_noisy(both, Two({"baseline": 1.0, "candidate": 1.0}), Conditions(0.05, SECRET, needs_win=True))
    speed, guard = series.effects
    assert speed.outcome == "no worse" or speed.futile
    assert guard.outcome == "inconclusive"
    assert (guard.alpha, guard.pairs) == (None, speed.pairs)


def test_a_metric_that_has_decided_takes_no_more_pairs() -> None:
    class Two(Bench):
        def __call__(self, arm: Arm, seed: int = 0) -> Rows | NoRows:
            rows = super().__call__(arm)
            assert isinstance(rows, Rows)
            flat = {"x": {"1": 5.0 + self.random.random()}}
            return rows.model_copy(update={"values": {**rows.values, "flat": flat}})

    both = (metric("t"), metric("flat", pairs=25))
    series = compare_noisy(both, Two({"baseline": 1.0, "candidate": 0.5}), TERMS)
    quick, slow = series.effects
    assert quick.outcome == "win"
    assert quick.pairs < slow.pairs


def broken(arm_broken: Arm) -> Series:
    bench = Bench({"baseline": 1.0, "candidate": 1.0})
    return compare_noisy(
        (metric("t"),), lambda arm, _: NoRows(why="exit status 1") if arm == arm_broken else bench(arm), TERMS
    )


def test_who_breaks_the_benchmark_pays_for_it() -> None:
    assert broken("candidate").effects[0].outcome == "worse"
    assert broken("baseline").effects[0].outcome == "inconclusive"
    assert "exit status 1" in broken("baseline").alarms[0].detail
    fewer = compare_noisy(
        (metric("t"),),
        lambda arm, _: Rows(values={"t": {task: {"1": 1.0} for task in ("a" if arm == "candidate" else "ab")}}),
        TERMS,
    )
    assert fewer.effects[0].outcome == "worse"


class Asked(Bench):
    """A benchmark whose candidate is asked three questions; the digests of its answers are `answers(arm, seed)`."""

    def __init__(self, answers: Callable[[Arm, int], str]) -> None:
        super().__init__({"baseline": 1.0, "candidate": 0.5}, spread=0.01)
        self.answers, self.seeds = answers, list[int]()

    def __call__(self, arm: Arm, seed: int = 0) -> Rows | NoRows:
        self.seeds.append(seed)
        rows = super().__call__(arm)
        assert isinstance(rows, Rows)
        said = (("a", "1"), (f"b{seed}", self.answers(arm, seed)), ("c", "3"))
        return rows.model_copy(update={"said": said})


def test_each_pair_gets_fresh_inputs_of_one_seed() -> None:
    bench = Asked(lambda _, seed: str(seed))
    series = compare_noisy((metric("t"),), bench, TERMS)
    assert series.effects[0].outcome == "win"
    assert bench.seeds[::2] == bench.seeds[1::2]
    assert len(set(bench.seeds[::2])) == series.effects[0].pairs
    assert [pair["seed"] for pair in json.loads(series.blobs[-1])["pairs"]] == bench.seeds[::2]
    assert compare_noisy((metric("t"),), (again := Asked(lambda *_: "")), Conditions(0.05, b"another secret")).effects
    assert not set(again.seeds) & set(bench.seeds)


def test_less_work_is_no_gain_when_the_answers_are_others() -> None:
    bench = Asked(lambda arm, seed: arm if seed % 2 else "same")  # right on some inputs only
    series = compare_noisy((metric("t"),), bench, TERMS)
    assert series.effects[0].outcome == "worse"
    assert series.effects[0].pairs < 7, "it would have won otherwise"
    assert series.alarms[0].detail == "candidate: question 2 is answered otherwise than by the base"
    silent = Asked(lambda *_: "")

    def mute(arm: Arm, _: int) -> Rows | NoRows:
        return silent(arm).model_copy(update={"said": () if arm == "candidate" else (("a", "1"),)})

    fewer = compare_noisy((metric("t"),), mute, TERMS)
    assert fewer.effects[0].outcome == "worse"


def test_answers_that_vary_at_the_base_are_not_compared_and_said_to() -> None:
    lots = iter(range(1000))
    series = compare_noisy((metric("t"),), Asked(lambda *_: str(next(lots))), TERMS)
    assert series.effects[0].outcome == "win"
    assert [alarm.kind for alarm in series.alarms] == ["answers vary"]


def test_an_unprinted_time_is_the_hosts_clock() -> None:
    series = compare_noisy(
        (metric("wall"),), lambda arm, _: Rows(values={}, outside={"time": 1.0 if arm == "baseline" else 0.5}), TERMS
    )
    assert series.effects[0].outcome == "win"
    assert series.effects[0].baseline == 1.0
    missing = compare_noisy((metric("m", kind="memory"),), lambda *_: Rows(values={}, outside={"time": 1.0}), TERMS)
    assert missing.effects[0].outcome in ("worse", "inconclusive")


def test_pass_fail_runs_both_orders_and_counts_tasks() -> None:
    order: list[Arm] = []

    def run(arm: Arm, _: int) -> Rows:
        order.append(arm)
        solved = 30 if arm == "candidate" else 15
        return Rows(values={"ok": {f"t{n}": {"1": float(n < solved), "2": float(n < solved)} for n in range(40)}})

    entry = metric("ok", kind="pass_fail", direction="higher")
    (effect,) = compare_pass_fail((entry,), run, TERMS).effects
    assert (effect.outcome, effect.pairs) == ("win", 40)
    assert effect.estimate == pytest.approx(15 / 40)
    assert len(order) == 4
    assert order[0] != order[2]


@pytest.mark.parametrize(
    "line",
    [
        b'{"metric": "m", "task": "t", "value": NaN}\n{"metric": "m"}',
        b'{"metric": "m", "task": "t", "seed": 1, "value": "1"}',
        b'{"metric": "m", "task": "t", "seed": 1, "value": 1e999}',
        b'{"metric": "m", "task": "t", "seed": 1, "value": 1}\n' * 2,
    ],
)
def test_rows_that_are_none(line: bytes) -> None:
    assert isinstance(read_rows(line), str)


def test_tasks_asked_again_have_a_smaller_level() -> None:
    def run(arm: Arm, _: int) -> Rows:
        solved = 7 if arm == "candidate" else 0
        return Rows(values={"ok": {f"t{n}": {"1": float(n < solved)} for n in range(12)}})

    entry = metric("ok", kind="pass_fail", direction="higher")
    outcomes = [
        compare_pass_fail((entry,), run, Conditions(0.05, SECRET, attempt=attempt)).effects[0] for attempt in (0, 1)
    ]
    assert [effect.alpha for effect in outcomes] == pytest.approx([0.04, 0.008])
    assert outcomes[0].e_value == outcomes[1].e_value
    assert 25 <= outcomes[0].e_value < 125
    assert [effect.outcome for effect in outcomes] == ["win", "no worse"]


def test_rows_among_other_output() -> None:
    text = b'warming up\n{"note": 1}\n{"metric": "m", "task": "t", "seed": 1, "value": 2}\n{broken\n'
    assert read_rows(text) == {"m": {"t": {"1": 2.0}}}
    assert parse_object(b"[" * 100_000) is None


def bench_result(solved: int, evaluations: int, **changes: object) -> BenchResult:
    values = {
        "solved": {f"t{n}": float(n < solved) for n in range(4)},
        "evaluations": {f"t{n}": evaluations / 4 for n in range(4)},
    }
    return BenchResult.model_validate({"values": values, **changes})


EXACT = (
    metric("solved", kind="count", direction="higher", exact=True, then="evaluations"),
    metric("evaluations", kind="count", direction="lower", exact=True),
)


def test_exact_effects_break_ties_and_keep_the_truth() -> None:
    tie = exact_effects(EXACT, bench_result(2, 40), bench_result(2, 36))
    assert [effect.outcome for effect in tie] == ["win", "win"]
    assert (tie[0].estimate, tie[1].estimate, tie[0].pairs) == (0.0, 4.0, 4)
    more = exact_effects(EXACT, bench_result(2, 40), bench_result(3, 80))
    assert [effect.outcome for effect in more] == ["win", "worse"]
    assert exact_effects(EXACT, bench_result(2, 40), bench_result(2, 40))[0].outcome == "no worse"


def test_partial_results_decide_nothing_in_favour() -> None:
    stopped = exact_effects(EXACT, bench_result(2, 40), bench_result(4, 1, stopped="cannot win"))
    assert [effect.outcome for effect in stopped] == ["worse", "worse"]
    assert stopped[0].candidate is None
    broken = exact_effects(EXACT, bench_result(2, 40), bench_result(4, 1, broken="total time"))
    assert [effect.outcome for effect in broken] == ["inconclusive", "inconclusive"]
    fewer = bench_result(4, 1)
    fewer = fewer.model_copy(update={"values": {**fewer.values, "solved": {"t0": 1.0}}})
    assert exact_effects(EXACT, bench_result(0, 40), fewer)[0].outcome == "inconclusive"
