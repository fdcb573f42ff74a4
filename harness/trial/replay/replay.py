"""Differential replay: asks base and candidate the same secret questions; what differs is evidence, never a verdict.

Questions are made from what the base's suite asks (`mutate.py`), and fresh workers answer: of the candidate one in the
usual surroundings, one in another order and after many calls, one in other surroundings. What differs there from the
base is asked once more of fresh workers of both. Green means: not told apart by so many calls.
"""

import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.records import Alarm, Arm, Replayed, canonical_json
from harness.trial.inputs import TrialInputs
from harness.trial.replay.answers import Answer
from harness.trial.replay.compare import Answers, Unlike, differing
from harness.trial.replay.differences import Asked, Suspects, Suspicion, told_apart
from harness.trial.replay.effects import LAST, effects
from harness.trial.replay.literals import changed, literals
from harness.trial.replay.mutate import mutations
from harness.trial.replay.panel import Material, Panel, Series
from harness.trial.replay.scripts import Script, in_turns, subject
from harness.trial.replay.soak import soaks
from harness.trial.replay.surroundings import NEVER, SOAK, everything
from harness.trial.workshop import Workshop

_TOTAL: Final = 60.0  # seconds after which no more is asked
_SUITE: Final = 3  # one step in so many is the suite's own
_LATE: Final = 80  # scripts asked again after many calls
_SUSPECTS: Final = 80  # scripts that are looked at once more
_NAMED: Final = 200  # functions
_ENOUGH: Final = 2.0  # seconds for what the base is asked first; what it comes to is asked of the candidate
_QUICK: Final = 0.4  # seconds within which the base has to have done with a script
_PATIENT: Final = 5.0  # seconds for a reply that was missing before
_AGAIN: Final = 6  # times that the base is asked what the candidate is suspected for: chance agrees with itself so long
_OFTEN: Final = 30  # what is asked of a function of the base's that draws lots, before a difference of it counts


def replay(
    shop: Workshop, inputs: TrialInputs, material: Material, declared: tuple[str, ...] = ()
) -> tuple[Replayed, tuple[Alarm, ...]]:
    """About `[sandbox] replay` questions a side. Differences as evidence, alarms for those that look like a trick."""
    calls = inputs.config.sandbox.replay
    if not calls or not material.recording.scripts:
        why = "the base's tests ask nothing that can be asked again" if calls else "[sandbox] replay is 0"
        return Replayed(why=why), ()
    began, seed = time.monotonic(), secrets.randbits(64)
    sources = inputs.config.target.source
    files: Mapping[Arm, Mapping[str, bytes]] = {
        "baseline": inputs.read(inputs.base_commit, sources),
        "candidate": inputs.read(inputs.merge_commit, sources),
    }
    known = literals(_python(files["baseline"]), _python(files["candidate"]))
    suite = _chosen(material.recording.scripts, seed, calls // _SUITE)
    favoured = changed(files["baseline"], files["candidate"])
    made = mutations(material.recording.scripts, seed, known, calls - calls // _SUITE, favoured)
    with Panel(shop, files, material, _TOTAL) as panel:
        trial = _Trial(panel, (*suite, *made), seed)
        suspects = trial.suspects()
        left = effects(panel, trial.scripts, trial.left, trial.left_theirs)
        asked = Asked(material.recording.scripts, frozenset(map(canonical_json, suite)), frozenset(declared), seed)
        found, alarms = told_apart(panel, suspects, asked)
    return (
        Replayed(
            seed=f"{seed:016x}",
            scripts=len(trial.scripts),
            calls=panel.asked,
            functions=len({subject(script) for script in trial.scripts}),
            suite=len(suite),
            unstable=len(suite) + len(made) - len(trial.scripts) + suspects.unsteady,
            differing=tuple(sorted({each.unlike.function for each in suspects.plain}))[:_NAMED],
            differences=found,
            ran=tuple(word for word in (*everything(0).words, SOAK) if word in panel.ran),
            not_ran=tuple(word for word in (*everything(0).words, SOAK) if word not in panel.ran) + NEVER,
            seconds=round(time.monotonic() - began, 3),
        ),
        (*left, *alarms),
    )


class _Trial:
    """The questions, less those that the base cannot answer, and what both arms answered."""

    def __init__(self, panel: Panel, questions: tuple[Script, ...], seed: int) -> None:
        self._panel = panel
        [[*told, self.left]] = panel.ask(Series("baseline", (*questions, LAST), enough=_ENOUGH))
        self.left_theirs = Answer()
        kept = [at for at, answer in enumerate(told) if not answer.lost and answer.seconds < _QUICK]
        self.scripts = tuple(questions[at] for at in kept)
        self._base = {new: told[old] for new, old in enumerate(kept)}
        self._around = everything(seed)
        self._order = list(range(len(self.scripts)))
        random.Random(seed).shuffle(self._order)  # noqa: S311 - the seed is the secret
        self._late = self._order[:_LATE]
        self._second = (*self._picked(self._order), *soaks(self.scripts, seed), *self._picked(self._late))

    def suspects(self) -> Suspects:
        """What differs from the base in any of the candidate's workers, and still does when fresh ones are asked."""
        plain, second, away = self._panel.ask(
            Series("candidate", (*self.scripts, LAST)),
            Series("candidate", self._second),
            Series("candidate", self.scripts, self._around),
        )
        self._panel.ran.add(SOAK)
        *first, self.left_theirs = plain
        theirs = dict(enumerate(first))
        moved, late = self._split(second)
        found = [
            differing(self.scripts, self._base, theirs),
            differing(self.scripts, theirs, moved),
            differing(self.scripts, self._base, late),
            _not_in_words(differing(self.scripts, self._base, dict(enumerate(away)))),  # there nothing listens
        ]
        chosen = list(dict.fromkeys(in_turns([turn for each in found for turn in _by_function(each)])))[:_SUSPECTS]
        if not chosen:
            return Suspects()
        return self._confirmed(chosen, _Told(theirs, moved, late, dict(enumerate(away))))

    def _confirmed(self, chosen: list[int], told: "_Told") -> Suspects:
        """Asks fresh workers of both arms: where the base does not agree with itself, nothing is said.

        A function of the base's that draws lots does so on other inputs too: that the candidate's does is no news.
        """
        some = self._picked(chosen)
        base, theirs, base_second, base_away, away = self._panel.ask(
            Series("baseline", some, reply=_PATIENT),
            Series("candidate", some, reply=_PATIENT),
            Series("baseline", self._second),
            Series("baseline", some, self._around),
            Series("candidate", some, self._around),
        )
        fresh, fresh_theirs = (dict(zip(chosen, each, strict=True)) for each in (base, theirs))
        moved, late = self._split(base_second)
        first = {at: self._base[at] for at in chosen}
        unsteady = {**differing(self.scripts, first, fresh), **differing(self.scripts, first, moved)}

        def pairs(one: Answers, other: Answers, *known: tuple[Suspicion, ...]) -> tuple[Suspicion, ...]:
            left = unsteady.keys() | {each.unlike.script for group in known for each in group}
            ours = {at: answer for at, answer in one.items() if at in first and at not in left}
            return tuple(
                Suspicion(unlike=each, base=one[at], candidate=other[at])
                for at, each in differing(self.scripts, ours, other).items()
                if each.kind != "time" or one is fresh
            )

        plain = pairs(fresh, fresh_theirs)
        ours_away, theirs_away = (dict(zip(chosen, each, strict=True)) for each in (base_away, away))
        itself = (
            *pairs(told.theirs, fresh_theirs),
            *pairs(told.theirs, told.moved),
            *pairs(told.away, theirs_away),
        )
        soaked = pairs(late, told.late, plain, itself)
        apart = pairs(ours_away, theirs_away, plain, itself)
        seen = (*plain, *itself, *soaked, *apart)
        unsteady |= self._shaky({each.unlike.script for each in seen}, _AGAIN)
        by_chance = {each.function for each in unsteady.values()}
        doubtful = {each.unlike.script for each in seen if each.unlike.function in by_chance} - unsteady.keys()
        unsteady |= self._shaky(doubtful, _OFTEN)

        def steady(group: tuple[Suspicion, ...]) -> tuple[Suspicion, ...]:
            return tuple(each for each in group if each.unlike.script not in unsteady)

        return Suspects(
            scripts=self.scripts,
            plain=steady(plain),
            itself=tuple(each for each in steady(itself) if each.unlike.function not in by_chance),
            soaked=steady(soaked),
            apart=steady(apart),
            unsteady=len(unsteady),
        )

    def _shaky(self, places: set[int], times: int) -> dict[int, Unlike]:
        """Those of the suspected scripts to which the base gives more than one answer, if one asks so often."""
        if not places:
            return {}
        again = sorted(places) * times
        [told] = self._panel.ask(Series("baseline", self._picked(again), reply=_PATIENT))
        found: dict[int, Unlike] = {}
        for at, answer in zip(again, told, strict=False):
            found |= differing(self.scripts, {at: self._base[at]}, {at: answer})
        return found

    def _picked(self, places: Sequence[int]) -> tuple[Script, ...]:
        return tuple(self.scripts[at] for at in places)

    def _split(self, second: Sequence[Answer]) -> tuple[Answers, Answers]:
        """The answers in another order, and those after many calls."""
        count = len(self._order)
        moved = dict(zip(self._order, second[:count], strict=True))
        return moved, dict(zip(self._late, second[len(second) - len(self._late) :], strict=True))


@dataclass(frozen=True)
class _Told:
    """What the candidate answered at first, in another order, after many calls, and in other surroundings."""

    theirs: Answers
    moved: Answers
    late: Answers
    away: Answers


def _not_in_words(found: Mapping[int, Unlike]) -> Mapping[int, Unlike]:
    return {at: each for at, each in found.items() if each.kind != "text"}


def _by_function(found: Mapping[int, Unlike]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for at, each in found.items():
        groups.setdefault(each.function, []).append(at)
    return list(groups.values())


def _chosen(scripts: Sequence[Script], seed: int, most: int) -> tuple[Script, ...]:
    """Some of the suite's own scripts, those of each subject in turn."""
    groups: dict[str, list[Script]] = {}
    for script in random.Random(seed).sample(scripts, len(scripts)):  # noqa: S311 - the seed is the secret
        groups.setdefault(subject(script), []).append(script)
    found: list[Script] = []
    steps = 0
    for script in in_turns(groups.values()):
        if steps >= most:
            break
        found.append(script)
        steps += len(script.steps)
    return tuple(found)


def _python(files: Mapping[str, bytes]) -> list[bytes]:
    return [data for path, data in files.items() if path.endswith(".py")]
