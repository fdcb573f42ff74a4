"""Whether a candidate gives the base's answers to all that an in-process test asks of it; a word, never a verdict.

The base's tests are recorded in the base's own process. A test counts only when a fresh worker of the base, asked the
same, answers as it did there: then all that the test learns of the packages is in its recorded calls.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from harness.container import Session, stream
from harness.records import Record, canonical_json
from harness.trial.inputs import TrialInputs
from harness.trial.replay.answers import Answer, shapes_by_name
from harness.trial.replay.asking import Terms, answers
from harness.trial.replay.compare import unlike
from harness.trial.replay.scripts import CONTAINERS, LEAVES, Script, Step
from harness.trial.tests import record_calls
from harness.trial.workshop import Workshop

MOST_TESTS: Final = 1000  # that are recorded; the others stay unverified
_MOST_BYTES: Final = 4 * 1024 * 1024
_SECONDS: Final = 60.0
_REPLY: Final = 10.0


class Testimony(Record):
    """All calls of one test, and what the base's fresh worker answered to them."""

    __test__ = False  # pytest: this is no test class

    script: Script
    answer: Answer


def testimonies(
    shop: Workshop, inputs: TrialInputs, shapes: Any, tests: tuple[str, ...]
) -> tuple[dict[str, Testimony], dict[str, str]]:
    """Of those tests of the base whose calls could be recorded; why, for the others."""
    files = inputs.read(inputs.base_commit, inputs.config.target.source)
    told = record_calls(shop.engine, inputs, shop.goods.packages, tests[:MOST_TESTS]) if tests else {}
    recorded, whys, size = {}, {}, 0
    for name in tests:
        found = _script(told.get(name, {"why": "its calls were not recorded"}))
        size += 0 if isinstance(found, str) else len(canonical_json(found[0]))
        if isinstance(found, str) or size > _MOST_BYTES:
            whys[name] = found if isinstance(found, str) else "there are too many calls"
        else:
            recorded[name] = found
    scripts = [script for script, _ in recorded.values()]
    kept = {}
    for (name, (script, ends)), answer in zip(recorded.items(), _asked(shop, files, shapes, scripts), strict=True):
        if answer.lost or not _as_recorded(ends, answer):
            whys[name] = "the base answers otherwise outside of the test"
        else:
            kept[name] = Testimony(script=script, answer=answer)
    return kept, whys


def corroborated(
    shop: Workshop, files: Mapping[str, bytes], shapes: Any, known: Mapping[str, Testimony]
) -> frozenset[str]:
    """The tests to whose calls a fresh worker with these files gives the base's answers, in words too."""
    told = _asked(shop, files, shapes, [each.script for each in known.values()])
    return frozenset(
        name
        for (name, each), answer in zip(known.items(), told, strict=True)
        if not answer.lost and unlike(each.script, each.answer, answer) is None
    )


def _asked(shop: Workshop, files: Mapping[str, bytes], shapes: Any, scripts: Iterable[Script]) -> tuple[Answer, ...]:
    """In one fresh worker, a test after another."""
    header = {"role": "worker", "packages": list(shop.goods.packages), "roots": list(shop.goods.roots)}
    tree = stream(header, {**shop.goods.around, **files})

    def start() -> Session:
        session = shop.worker()
        session.send(tree)
        return session

    terms = Terms(reply=_REPLY, deadline=time.monotonic() + _SECONDS, shapes=shapes_by_name(shapes), properties={})
    return answers(start, scripts, terms)


def _script(event: Mapping[str, Any]) -> tuple[Script, list[Any]] | str:
    """The recorded calls and how each ended; or why there is nothing to be asked."""
    if "why" in event:
        return str(event["why"])[:200]
    rows = event.get("steps")
    if not isinstance(rows, list) or not rows:
        return "it calls nothing"
    try:
        steps = tuple(
            Step(op=row["op"], args=tuple(row["args"]), kwargs=tuple(map(tuple, row["kwargs"]))) for row in rows
        )
        script = Script(steps=steps, answers=tuple(event["answers"]), observed=len(steps))
        return script, [row["ends"] for row in rows]
    except (ValidationError, KeyError, TypeError):
        return "its calls cannot be read"


def _as_recorded(ends: list[Any], answer: Answer) -> bool:
    """Whether every step came to what it came to in the test; a fault of the boundary never did."""
    pairs = zip(ends, answer.seen, strict=False)
    return len(ends) == len(answer.seen) and all(
        seen.ending == "x" if end == ["x"] else seen.ending == "v" and _alike(end, seen.value) for end, seen in pairs
    )


def _alike(native: Any, seen: Any) -> bool:
    """A recorded result, whose containers have numbers, and one that is normal; of objects only that they are some."""
    if type(native) is not list or not native:
        return type(native) is type(seen) and bool(native == seen)
    if type(seen) is not list or not seen:
        return False
    if native[0] == "o":
        return bool(seen[0] in ("o", "E", "#"))
    if native[0] in ("$", "#", "&"):
        return bool(seen[0] in ("o", "E", "#", "&"))
    if native[0] != seen[0]:
        return False
    if native[0] in LEAVES:
        return bool(native == seen)
    inner, theirs = native[2:] if native[0] in CONTAINERS else native[1:], seen[1:]
    if native[0] in ("S", "F"):
        inner, theirs = sorted(inner, key=canonical_json), sorted(theirs, key=canonical_json)
    return len(inner) == len(theirs) and all(_alike(one, other) for one, other in zip(inner, theirs, strict=True))
