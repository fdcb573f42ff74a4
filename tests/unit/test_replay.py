"""Differential replay, its pure parts: recorded scripts, their mutations, comparison, shrinking, and what is shown."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.gate.behaviour import replay_words
from harness.records import BehaviourDifference, Proposal, Replayed, canonical_json, sha256
from harness.trial.crossing import Crossing
from harness.trial.replay.answers import Answer, Seen, shapes_by_name
from harness.trial.replay.compare import unlike
from harness.trial.replay.literals import changed, literals
from harness.trial.replay.mutate import kind_of, mutations
from harness.trial.replay.recorder import Recorder
from harness.trial.replay.scripts import Script, Step, callee, kept_within, needs, once, selected, subject, values_of
from harness.trial.replay.show import rendered, shown
from harness.trial.replay.shrink import shrunk, smaller, weight
from harness.trial.replay.soak import soaks
from harness.trial.replay.unusual import pools, wired

# What is tested draws its values by Hypothesis too.
_few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.nested_given])
STOCK = ["c", 1, "Stock", "shop.stock", "Stock", [["g", "builtins", "object"]], [["left", "p"], ["take", "f"]], ""]
IMPORTED = ["t", "shop", True, None, None, ["t", ["t", "Stock", STOCK], ["t", "price", ["f", 2, "price", "shop.money",
            "price", None, None]]]]  # fmt: skip
KEY = ["f", 1, "key", "tests", "key", None, None]
LIFE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("J", {"q": 1, "op": "import", "a": ["shop"]}),
    ("W", {"r": 1, "v": IMPORTED}),
    ("J", {"q": 2, "op": "get", "a": [["y", 1], "_mock_name"]}),
    ("W", {"r": 2, "x": ["E", 3, ["g", "builtins", "AttributeError"], ["no"], [], None, []]}),
    ("J", {"q": 3, "op": "call", "a": [["y", 1], ["d", 1, "A", 10]]}),
    ("W", {"r": 3, "v": ["o", 4, ["h", 1]], "D": [1]}),
    ("J", {"q": 4, "op": "m", "a": [["y", 4], "take", "A", 4]}),
    ("W", {"r": 4, "v": ["l", 2, "A", 6]}),
    ("J", {"q": 5, "op": "call", "a": [["y", 2], ["@", 2]], "k": [["key", KEY]]}),
    ("W", {"q": 1, "op": "call", "a": [["y", 1], "A"]}),
    ("J", {"r": 1, "v": 7}),
    ("W", {"r": 5, "v": 42}),
    ("J", {"q": 6, "op": "call", "a": [["y", 2], ["o", 2, ["g", "builtins", "object"]]]}),
    ("W", {"r": 6, "v": 0}),
)  # fmt: skip


def recorded(*lives: tuple[tuple[str, dict[str, Any]], ...]) -> tuple[Script, ...]:
    recorder = Recorder()
    for life in lives:
        recorder.fresh()
        for who, frame in life:
            recorder.hear(who, frame)
    return recorder.recording().scripts


def call(name: str, *args: Any) -> Script:
    return Script(steps=(Step(op="call", args=(["#", "shop", name], *args)),), observed=1)


ON_ONE = Script(
    steps=(
        Step(op="call", args=(["#", "shop", "Stock"], ["d", 0, "A", 10, "B", 3])),
        Step(op="m", args=(["$", 0], "take", "A", 4)),
        Step(op="m", args=(["$", 0], "take", "B", 1)),
        Step(op="m", args=(["$", 0], "total")),
        Step(op="get", args=(["$", 0], "left")),
    ),
    observed=4,
)
SUITE = (
    ON_ONE,
    call("price", 100, 0.5),
    call("price", 7),
    call("parse", "2024-03-01"),
    call("merge", ["l", 0, ["t", 1, 3]]),
)


def test_what_a_suite_asks_becomes_scripts_that_hold_no_handle() -> None:
    scripts = recorded(LIFE)
    assert [subject(script) for script in scripts] == ["shop.Stock.take", "shop.price"]
    stock, price = scripts
    assert stock.steps[0].args == (["#", "shop", "Stock"], ["d", 0, "A", 10])
    assert stock.steps[1].args == (["$", 0], "take", "A", 4)
    assert stock.asked == stock.steps[:2]
    assert stock.steps[2] == Step(op="get", args=(["$", 0], "left"))  # a property that the class has
    assert price.steps[0].args[1] == ["l", 0, "A", 6]  # what the worker had made, by value
    assert price.steps[0].kwargs == (("key", ["&", 0]),)
    assert price.answers == (7,)


def test_pytests_own_looks_and_objects_of_the_tests_are_left_out() -> None:
    asked = [step for script in recorded(LIFE) for step in script.asked]
    assert not [step for step in asked if step.args[1:2] == ("_mock_name",)]
    assert len([step for step in asked if step.op == "call"]) == 2


def test_the_same_question_is_kept_once_and_few_are_kept_before_many() -> None:
    assert recorded(LIFE, LIFE) == recorded(LIFE)
    many = [call("price", number) for number in range(100)]
    kept = kept_within([*many, call("rare", 1)], most=10 * len(canonical_json(many[0])))
    assert call("rare", 1) in kept.scripts
    assert kept.left == 101 - len(kept.scripts)


@_few
@given(seed=st.integers(0, 2**64 - 1), budget=st.integers(1, 120))
def test_mutations_are_the_seeds_and_nobody_elses(seed: int, budget: int) -> None:
    known = literals([b"LIMIT = 41\n"], [b"LIMIT = 41\nif code == 'SAVE99': pass\n"])
    made = mutations(SUITE, seed, known, budget)
    assert made == mutations(SUITE, seed, known, budget)
    assert not set(map(canonical_json, made)) & set(map(canonical_json, SUITE))
    assert len(set(map(canonical_json, made))) == len(made)
    assert budget <= sum(len(script.steps) for script in made) < budget + 80


@_few
@given(seed=st.integers(0, 2**64 - 1))
def test_a_mutation_can_be_asked(seed: int) -> None:
    for script in mutations(SUITE, seed, literals([], []), 150):
        assert 0 < script.observed <= len(script.steps)
        json.dumps([step.args for step in script.steps], allow_nan=False)
        for at, step in enumerate(script.steps):
            assert all(need < at for need in needs(values_of(step)))
            assert once(step).args[0] is None or once(step).args[0][0] in ("#", "$")
            for value in values_of(step):
                if kind_of(value) and step.op != "acts":
                    crossing = Crossing()
                    crossing.message("oracle")
                    crossing.check(value)


def test_another_seed_asks_something_else() -> None:
    none = literals([], [])
    first, second = (set(map(canonical_json, mutations(SUITE, seed, none, 200))) for seed in (1, 2))
    assert len(first & second) < len(first) / 2


def test_every_subject_gets_its_turn() -> None:
    made = mutations(SUITE, 5, literals([], []), 60)
    assert {subject(script) for script in made} >= {"shop.price", "shop.parse", "shop.merge"}


def test_what_the_candidate_compares_with_is_among_the_questions() -> None:
    known = literals([b"x = 3\n"], [b"x = 3\nif code == 'BLACKFRIDAY': x = 73331\n"])
    assert (known.texts[0], known.ints[0]) == ("BLACKFRIDAY", 73331)
    asked = canonical_json([s.model_dump() for s in mutations(SUITE, 11, known, 400)]).decode()
    assert "BLACKFRIDAY" in asked
    assert "73331" in asked or "73332" in asked or "73330" in asked


def test_what_was_changed_is_asked_more() -> None:
    before, after = (
        {"a.py": b"def price(): return 1\ndef parse(): pass\n"},
        {"a.py": b"def price(): return 2\ndef parse(): pass\n"},
    )
    assert changed(before, after) == {"price"}
    none = literals([], [])
    counts = [
        sum(subject(script) == "shop.price" for script in mutations(SUITE, 3, none, 100, favoured))
        for favoured in (frozenset[str](), frozenset(("price",)))
    ]
    assert counts[1] > 1.5 * counts[0]


def test_literals_leave_out_docstrings_and_what_does_not_parse() -> None:
    found = literals([b'"""A doc."""\n__all__ = ["name"]\nx = "kept"\n', b"def ("], [])
    assert found.texts == ("kept",)


@given(
    st.one_of(st.integers(), st.floats(), st.text(), st.binary(max_size=20), st.dates(), st.timedeltas(), st.booleans())
)
def test_a_drawn_value_is_one_that_crosses(value: Any) -> None:
    crossing = Crossing()
    crossing.message("oracle")
    crossing.check(wired(value))


def test_the_pools_hold_what_programs_get_wrong() -> None:
    found = pools(3, literals([], []))
    assert all(value in found["int"] for value in (0, -1, ["i", f"{2**63:x}"]))
    assert ["x", "nan"] in found["float"]
    assert "" in found["str"]
    assert ["v", "date", "9999-12-31"] in found["v:date"]


SAME = Seen(ending="v", value=3)


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (SAME, None),
        (Seen(ending="v", value=3.0), "value"),
        (Seen(ending="v", value=True), "value"),
        (Seen(ending="x", value=["E", "builtins.ValueError", ["t"]]), "value"),
        (Seen(ending="x", value=["E", "builtins.MemoryError", ["t"]]), "memory"),
        (Seen(ending="v", value=3, changed=([0, ["l", 1]],)), "value"),
        (Seen(ending="v", value=3, calls=([1],)), "value"),
        (Seen(ending="v", value=3, words=([[1, "printed"]],)), "text"),
    ],
)
def test_answers_are_compared_exactly_and_words_apart(second: Seen, kind: str | None) -> None:
    found = unlike(call("price", 1), Answer(seen=(SAME,)), Answer(seen=(second,)))
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [("TypeError", "AttributeError", "text"), ("ValueError", "KeyError", "error"), ("ValueError", "ValueError", None)],
)
def test_two_errors(one: str, other: str, kind: str | None) -> None:
    first, second = (Answer(seen=(Seen(ending="x", value=["E", f"builtins.{e}", ["t"]]),)) for e in (one, other))
    found = unlike(call("price", 1), first, second)
    assert (found.kind if found else None) == kind


def test_an_end_without_answer_is_a_difference_but_for_a_question_that_was_not_asked() -> None:
    first = Answer(seen=(SAME,))
    assert [
        found and found.kind
        for lost in ("time", "ended", "not asked", "no time left")
        for found in [unlike(call("price", 1), first, Answer(lost=lost))]
    ] == ["time", "memory", None, None]


def test_a_difference_is_about_the_step_that_differs() -> None:
    answers = [Answer(seen=(SAME, SAME, Seen(ending="v", value=number), SAME, SAME)) for number in (1, 2)]
    found = unlike(ON_ONE, *answers)
    assert found is not None
    assert (found.at, found.function) == (2, "shop.Stock.take")


def test_a_script_is_made_as_small_as_still_differs() -> None:
    def differs(scripts: Any) -> list[bool]:
        return [any(step.args[1:3] == ("take", "B") for step in script.steps) for script in scripts]

    [small] = shrunk([ON_ONE], differs)
    assert [step.op for step in small.asked] == ["call", "m"]
    assert small.steps[0].args[1] == ["d", 0]
    assert small.steps[1].args[1:3] == ("take", "B")


@_few
@given(st.integers(0, 2**32))
def test_what_is_tried_is_whole_and_not_larger_in_steps(seed: int) -> None:
    for script in mutations(SUITE, seed, literals([], []), 20):
        for each in smaller(script):
            assert weight(each)[0] <= weight(script)[0]
            assert all(need < at for at, step in enumerate(each.steps) for need in needs(values_of(step)))


def test_a_selection_takes_along_what_it_builds_on() -> None:
    assert [step.args[1:2] for step in selected(ON_ONE.steps, [3])] == [(ON_ONE.steps[0].args[1],), ("total",)]


def test_a_soak_asks_the_last_step_again_and_again() -> None:
    worn = {callee(script, 0): script for script in soaks(SUITE, 1)}
    step = worn["shop.Stock"].steps[-1]
    assert (step.op, step.args[0], step.args[2:5]) == ("again", 3000, ("m", ["$", 0], "total"))


def test_a_script_reads_like_python_and_steers_no_terminal() -> None:
    assert rendered(ON_ONE).splitlines()[:2] == ["x0 = shop.Stock({'A': 10, 'B': 3})", "x0.take('A', 4)"]
    assert "\x1b" not in rendered(call("price", "\x1b[2J")) + shown(["x", "\x1b"]).replace("\x1b", "")
    assert shown(["v", "Decimal", "1.5"]) == "Decimal('1.5')"


def test_only_classes_made_of_fields_are_taken_apart() -> None:
    row = ["t", "dataclass", "fields", "fields", "object", ["t", "name", "amount"], ["t"]]
    plain = ["t", "plain", "object", "object", "object", ["t"], ["t"]]
    assert shapes_by_name(["d", 0, "shop.Line", row, "shop.Stock", plain]) == {
        "shop.Line": ("dataclass", ("name", "amount"))
    }
    assert shapes_by_name(None) == {}


def test_a_difference_is_told_with_its_input_and_both_outputs() -> None:
    each = BehaviourDifference(
        function="shop.price", kind="value", inputs="unusual", script="shop.price(-1)", base="raises ValueError",
        candidate="0", count=3,
    )  # fmt: skip
    lines = replay_words(Replayed(seed="ab", scripts=9, differing=("shop.price",), differences=(each,)))
    assert lines[0].startswith("behaviour differences: 1 functions")
    assert lines[1:] == (
        "shop.price: value differs on unusual inputs (3 seen)",
        "    shop.price(-1)",
        "    base: raises ValueError",
        "    candidate: 0",
    )
    assert replay_words(None) == ()


def test_a_proposal_that_declares_nothing_has_the_digest_that_it_always_had() -> None:
    plain = {
        "title": "t", "rationale": "", "author": "agent:a", "base": "0" * 40, "parent": None, "claims_gain": False,
        "patch_digest": "sha256:" + "0" * 64, "created": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    old = Proposal.model_validate(plain)
    assert sha256(canonical_json(old)) == sha256(canonical_json(plain))
    declared = Proposal.model_validate({**plain, "declares": ["shop.price"]})
    assert sha256(canonical_json(declared)) != sha256(canonical_json(old))
    assert Proposal.model_validate_json(canonical_json(declared)) == declared
