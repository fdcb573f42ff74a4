"""Makes scripts smaller while they still show what they show; pure: who asks the workers is passed in."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from harness.records import canonical_json
from harness.trial.replay.scripts import CONTAINERS, Script, Step, needs, selected, values_of

ROUNDS: Final = 4
_TRIED: Final = 24  # smaller scripts a round
Differs = Callable[[Sequence[Script]], Sequence[bool]]


def shrunk(scripts: Sequence[Script], differs: Differs, rounds: int = ROUNDS) -> tuple[Script, ...]:
    """For each script the smallest one found that still differs; every round asks about all of them at once."""
    best = list(scripts)
    for _ in range(rounds):
        tried = [sorted(smaller(script), key=weight)[:_TRIED] for script in best]
        asked = [each for group in tried for each in group]
        if not asked:
            break
        told = iter(differs(asked))
        better = [[script for script in group if next(told)] for group in tried]
        if not any(better):
            break
        best = [new[0] if new else old for new, old in zip(better, best, strict=True)]
    return tuple(best)


def weight(script: Script) -> tuple[int, int]:
    """What is to become less: steps, then text."""
    return len(script.steps), len(canonical_json(script))


def smaller(script: Script) -> Iterator[Script]:
    """Scripts with less in them: without some steps, or with one argument simpler."""
    for at in range(script.observed - 1, 0, -1):
        yield from _without(script, {at})
    if len(script.steps) > script.observed:
        yield script.model_copy(update={"steps": script.asked})
    if script.observed > 3:
        yield from _without(script, set(range(1, script.observed - 1)))
    for at, step in enumerate(script.asked):
        for simpler in _simpler_steps(step):
            yield script.model_copy(update={"steps": (*script.steps[:at], simpler, *script.steps[at + 1 :])})


def _without(script: Script, gone: set[int]) -> Iterator[Script]:
    """The script without some steps and whatever builds on them."""
    lost = set(gone)
    for at, step in enumerate(script.steps):
        if needs(values_of(step)) & lost:
            lost.add(at)
    kept = [at for at in range(len(script.steps)) if at not in lost]
    observed = sum(1 for at in kept if at < script.observed)
    if observed:
        yield script.model_copy(update={"steps": selected(script.steps, kept), "observed": observed})


def _simpler_steps(step: Step) -> Iterator[Step]:
    fixed = 2 if step.op in ("m", "get", "set", "del") else 1
    for at in range(fixed, len(step.args)):
        for value in _simpler(step.args[at]):
            yield step.model_copy(update={"args": (*step.args[:at], value, *step.args[at + 1 :])})
    for at, (name, _) in enumerate(step.kwargs):
        yield step.model_copy(update={"kwargs": (*step.kwargs[:at], *step.kwargs[at + 1 :])})
        for value in _simpler(step.kwargs[at][1]):
            yield step.model_copy(update={"kwargs": (*step.kwargs[:at], (name, value), *step.kwargs[at + 1 :])})


def _simpler(value: Any) -> Iterator[Any]:
    match value:
        case None | bool():
            return
        case int() if value:
            yield from (
                smaller for smaller in (0, value // 2, value - 1 if value > 0 else value + 1) if smaller != value
            )
        case float() if value:
            yield from (0.0, float(int(value)))
        case str() if value:
            half = len(value) // 2
            yield from dict.fromkeys(("", value[:half], value[half:], value[:-1], value[1:]))
        case ["i" | "x", *_]:
            yield 0
        case [str(tag), *_] if tag in ("t", "F") or tag in CONTAINERS:
            yield from _simpler_container(value)


def _simpler_container(value: list[Any]) -> Iterator[Any]:
    start = 2 if value[0] in CONTAINERS else 1
    width = 2 if value[0] in ("d", "O", "N") else 1
    if value[0] in ("B", "q", "D", "P") or len(value) <= start:
        return
    yield value[:start]
    for at in range(start, min(len(value), start + 8 * width), width):
        yield [*value[:at], *value[at + width :]]
    for at in range(start, min(len(value), start + 8)):
        for part in _simpler(value[at]):
            yield [*value[:at], part, *value[at + 1 :]]
