"""Ways through an object's life that no suite took: they hang together, and reach what the suite's own cannot."""

import random
from collections.abc import Callable

import pytest

from harness.records import canonical_json
from harness.trial.replay.scripts import Script, Step, callee, needs, once, values_of
from harness.trial.replay.walks import DEEP, OFTEN, Act, Walks, acts_of, hub_of, repeated

BOOK = Script(
    steps=(
        Step(op="get", args=(["#", "desk", "Side"], "BUY")),
        Step(op="call", args=(["#", "desk", "Book"],), kwargs=(("on_fill", ["&", 0]),)),
        Step(op="m", args=(["$", 1], "submit", ["$", 0], 101, 5)),
        Step(op="call", args=(["#", "desk", "Order"], 7)),
        Step(op="m", args=(["$", 1], "take", ["$", 3])),
        Step(op="m", args=(["$", 2], "cancel")),
        Step(op="m", args=(["$", 1], "__len__")),
    ),
    observed=6,
)
BANK = Script(
    steps=(
        Step(op="call", args=(["#", "desk", "Bank"],)),
        Step(op="m", args=(["$", 0], "together")),
        Step(op="m", args=(["$", 1], "__enter__")),
        Step(op="m", args=(["$", 0], "transfer", "ann", "bob", 3)),
        Step(op="m", args=(["$", 1], "__exit__", None, None, None)),
        Step(op="m", args=(["$", 0], "history")),
        Step(op="m", args=(["$", 5], "__next__")),
    ),
    observed=7,
)


def variants(script: Script, count: int = 400) -> list[Script]:
    walks = Walks([BOOK, BANK], random.Random(5))
    return [walks.variant(script) for _ in range(count)]


def texts(script: Script) -> list[str]:
    return [canonical_json(step).decode() for step in script.asked]


def test_the_hub_is_what_most_steps_are_about_and_acts_bring_what_they_need() -> None:
    assert hub_of(BOOK) == 1
    submit, take, cancel = acts_of(BOOK, 1)
    # Side.BUY, which the book is not made of, belongs to the act: 0 is the book, 1 the act's own first step.
    assert [step.op for step in submit.steps] == ["get", "m"]
    assert submit.steps[1].args == (["$", 0], "submit", ["$", 1], 101, 5)
    assert take.steps[1].args == (["$", 0], "take", ["$", 1])
    # What an act gave is asked in turn, as the suite does.
    assert [step.args[1] for step in cancel.steps[1:]] == ["submit", "cancel"]
    assert hub_of(Script(steps=(Step(op="call", args=(["#", "desk", "add"], 1)),), observed=1)) is None


@pytest.mark.parametrize("script", [BOOK, BANK], ids=["book", "bank"])
def test_every_variant_builds_only_on_what_came_before(script: Script) -> None:
    for made in variants(script):
        assert 0 < made.observed <= len(made.steps)
        for at, step in enumerate(made.steps):
            assert all(need < at for need in needs(values_of(step)))
            assert callee(made, at)


SEEN: dict[str, tuple[Script, Callable[[Script], bool]]] = {
    "a block entered twice, each time anew": (BANK, lambda made: sum('"__enter__"' in t for t in texts(made)) >= 2),
    "what was done is undone": (BANK, lambda made: any('"transfer","bob","ann",3' in t for t in texts(made))),
    "more of them than a suite has": (BANK, lambda made: any('"transfer","ann","bob",11' in t for t in texts(made))),
    "one act very often": (BOOK, lambda made: any(step.op == "acts" for step in made.asked)),
    "the callback raises": (BOOK, lambda made: any(type(a) is list and a[0] == "!" for a in made.answers)),
    "a block left by an exception": (BANK, lambda made: any('"__exit__",["g","builtins"' in t for t in texts(made))),
    "thrown into a generator": (BANK, lambda made: any('"throw",["!"' in t for t in texts(made))),
    "the object is looked at in the end": (BOOK, lambda made: "__len__" in canonical_json(made.steps[-1]).decode()),
}


def test_ways_end_with_what_the_change_is_about() -> None:
    """One act of two dozen is about it, and yet every other way shows whether it is another one now."""
    asks = [Step(op="m", args=(["$", 0], f"ask_{number}")) for number in range(24)]
    wide = Script(steps=(Step(op="call", args=(["#", "desk", "Wide"],)), *asks), observed=25)

    def shown(favoured: frozenset[str]) -> int:
        walks = Walks([wide], random.Random(5), favoured)
        return sum('"ask_20"' in "".join(texts(walks.variant(wide))[-4:]) for _ in range(300))

    assert shown(frozenset(("ask_20",))) > 2 * shown(frozenset())


@pytest.mark.parametrize("what", SEEN)
def test_variants_come_to(what: str) -> None:
    script, found = SEEN[what]
    assert any(found(made) for made in variants(script))


def test_an_act_that_is_taken_very_often_is_one_step() -> None:
    _, take, _ = acts_of(BOOK, 1)
    step = repeated(take, OFTEN)
    assert step is not None
    assert step.args[0] == OFTEN
    assert needs(values_of(step)) == {0}
    assert once(step).args[1] == "take"
    nested = Act((*take.steps[:1], Step(op="m", args=(["$", 0], "take", ["l", 0, ["$", 1]]))))
    assert repeated(nested, DEEP) is None, "what is inside of a container cannot be told that way"
