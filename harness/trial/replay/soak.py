"""Scripts that wear a program out: one function, or one object, asked thousands of times; pure."""

import random
from collections.abc import Sequence
from typing import Final

from harness.trial.replay.scripts import Script, Step, subject

_CALLS: Final = 25_000  # of a function
_ON_ONE: Final = 3_000  # on one object
_LONGEST: Final = 0.1  # seconds for one of them
_TOTAL: Final = 1.2  # seconds for all


def soaks(scripts: Sequence[Script], seed: int) -> tuple[Script, ...]:
    """For each subject one of its scripts, its last step repeated; how often, time decides, so none is compared."""
    chance = random.Random(seed)  # noqa: S311 - the seed is the secret
    by_subject: dict[str, list[Script]] = {}
    for script in scripts:
        if script.asked[-1].op in ("call", "m", "get", "item", "contains"):
            by_subject.setdefault(subject(script), []).append(script)
    seconds = min(_LONGEST, _TOTAL / max(1, len(by_subject)))
    return tuple(_worn(chance.choice(group), seconds) for group in by_subject.values())


def _worn(script: Script, seconds: float) -> Script:
    *before, last = script.asked
    times = _CALLS if last.op == "call" else _ON_ONE
    step = Step(op="again", args=(times, seconds, last.op, *last.args), kwargs=last.kwargs)
    return Script(steps=(*before, step), answers=script.answers, observed=script.observed)
