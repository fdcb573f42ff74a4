"""What counts as the same answer when a recorded call is asked again, and what spoils a recording."""

from typing import Any

import pytest

from harness.trial.corroborate import _alike, _as_recorded, _script
from harness.trial.replay.answers import Answer, Seen

CALL = {"op": "call", "args": [["#", "pkg", "f"], 1], "kwargs": [["b", ["l", 0, 2]]], "ends": 3}


@pytest.mark.parametrize(
    ("native", "seen", "same"),
    [
        (3, 3, True),
        (3, 3.0, False),
        (1, True, False),
        (["l", 0, 1, 2], ["l", 1, 2], True),
        (["l", 0, 1, 2], ["l", 2, 1], False),
        (["t", 1], ["l", 1], False),
        (["S", 0, 2, 1], ["S", 1, 2], True),
        (["d", 0, "a", ["t", 1]], ["d", "a", ["t", 1]], True),
        (["v", "Decimal", "1"], ["v", "Decimal", "1.0"], False),
        (["g", "builtins", "int"], ["g", "builtins", "int"], True),
        (["o"], ["o", 0, "pkg.A"], True),
        (["o"], 3, False),
        (["l", 0, ["$", 0]], ["l", ["o", 0, "pkg.A"]], True),
        ("…", "...", False),
    ],
)
def test_results_are_compared_by_exact_type(native: Any, seen: Any, same: bool) -> None:
    assert _alike(native, seen) is same


def test_a_recording_is_a_script_with_how_each_step_ended() -> None:
    found = _script({"steps": [CALL, {**CALL, "ends": ["x"]}], "answers": [7]})
    assert not isinstance(found, str)
    script, ends = found
    assert [step.op for step in script.steps] == ["call", "call"]
    assert (script.answers, script.observed, ends) == ((7,), 2, [3, ["x"]])
    good = (Seen(ending="v", value=3), Seen(ending="x", value=["E", "builtins.ValueError"]))
    assert _as_recorded(ends, Answer(seen=good))
    assert not _as_recorded(ends, Answer(seen=good[:1]))
    assert not _as_recorded(ends, Answer(seen=good[::-1]))
    assert not _as_recorded([3], Answer(seen=(Seen(ending="f"),)))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"why": "a generator or coroutine was made"}, "a generator or coroutine was made"),
        ({"steps": []}, "it calls nothing"),
        ({"steps": [{"op": "call"}], "answers": []}, "its calls cannot be read"),
        ({"steps": [{**CALL, "kwargs": [1]}], "answers": []}, "its calls cannot be read"),
        ({"steps": "all"}, "it calls nothing"),
    ],
)
def test_what_cannot_be_asked_again_says_why(event: dict[str, Any], why: str) -> None:
    assert _script(event) == why
