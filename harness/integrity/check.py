"""Asks the lab about changes whose right answer is known, as if they were proposals, without the static policy.

One temporary repository holds each target as a commit without parents and each change as a commit on it.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from harness.container import Engine
from harness.integrity.corpus import Change, Corpus, Expect, Target
from harness.integrity.judged import Check, Expected, Rules, is_right
from harness.patch import Malformed, from_overlay
from harness.policy import blocked, check, imported_names, load_policy, open_inspector
from harness.repo import Repo
from harness.scratch import Scratch
from harness.target import StateDir, TargetConfig, parse_config
from harness.trial.lab import Lab
from harness.trial.question import Examined, Question
from harness.trial.verdict import conclude

DEFENCES: Final = frozenset({"oracle"})  # of those that a corpus speaks of, what the lab runs
HANDS: Final = 2
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENCE: Final = "30s"  # the targets' suites take a second


def expected_of(change: Change) -> Expected:
    """What this harness has to make of a change."""
    if change.kind == "benign":
        return "pass"
    return "caught" if change.kind != "residual" and _seen(change.expect) else "any"


def sample(changes: Iterable[Change], count: int, seed: int) -> tuple[Change, ...]:
    """So many changes of which something is expected: a quarter benign, the others spread over categories."""
    chance = random.Random(seed)  # noqa: S311 - which ones are looked at is no secret
    telling = [change for change in changes if expected_of(change) != "any"]
    benign = _spread([change for change in telling if change.kind == "benign"], chance)[: max(1, count // 4)]
    hostile = _spread([change for change in telling if change.kind != "benign"], chance)
    chosen = (*benign, *hostile)[:count]
    return tuple(sorted(chosen, key=lambda change: change.id))


class Examination:
    """A context manager: the repository, the lab and the parsing child for some checks of one corpus."""

    lab: Lab

    def __init__(self, engine: Engine, corpus: Corpus) -> None:
        self._engine = engine
        self._corpus = corpus
        self._bases: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = stack.enter_context(Scratch())
            self._repo = Repo.init(scratch.path / "corpus", bare=True)
            state = StateDir(self._repo.common_dir)
            state.create()
            self._inspector = stack.enter_context(open_inspector())
            self.lab = stack.enter_context(Lab(self._engine, self._repo, state, lambda _: None))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def judged(self, changes: Iterable[Change]) -> Iterator[Check]:
        """A check of each change, in the order in which they are done."""
        questions = [(change, self._question(change)) for change in changes]  # all written before anybody reads
        with self.lab.hands(HANDS) as pool:
            asked: dict[Future[Examined], tuple[Change, Rules]] = {}
            for change, question in questions:
                asked[pool.submit(self.lab.examine, question)] = (change, self._policy(change))
            for done in as_completed(asked):
                yield _checked(*asked[done], done.result())

    def tree(self, base: str | None, files: Mapping[str, str | None]) -> str:
        """A commit with these texts on a base."""
        edits = {path: None if text is None else text.encode() for path, text in files.items()}
        commit, _ = self._repo.commit_edits(base, edits, message="corpus", author="agent:corpus", branch=None, at=_AT)
        return commit

    def read(self, commit: str, source: str) -> Mapping[str, bytes]:
        """A commit's files of the editable scope."""
        return self.lab.read(commit, (source,))

    def question(self, target: Target, base: str, merge: str) -> Question:
        """What `run` would ask of a proposal that claims no gain."""
        return Question(base=base, merge=merge, parent=None, config=_config(target), claims_gain=False)

    def _question(self, change: Change) -> Question:
        target = self._corpus.target(change.target)
        base = self._bases.setdefault(target.name, self.tree(None, target.files))
        return self.question(target, base, self.tree(base, change.files))

    def _policy(self, change: Change) -> Rules:
        """What the default policy says of a change by an agent."""
        target = self._corpus.target(change.target)
        files = {path: text.encode() for path, text in change.overlay().items()}
        gone = [path for path, text in change.files.items() if text is None]
        patch = from_overlay(files, gone, lambda path: _bytes(target.files.get(path)))
        if isinstance(patch, Malformed):
            return "refused"
        policy, _ = load_policy("default", lambda _: None)
        source = {path: text.encode() for path, text in target.files.items() if path.startswith(target.source)}
        known = imported_names(source, self._inspector)
        found = check(patch, policy, _config(target), "agent", self._inspector, known)
        return "refused" if blocked(found) else "flagged" if found else "clean"


def _checked(change: Change, policy: Rules, found: Examined) -> Check:
    verdict, reasons = conclude((), found.tests, found.effects)
    if found.tests.run and found.tests.oracle != "used":
        verdict, reasons = "error", (f"the oracle was not asked: {found.tests.oracle}",)
    expected = expected_of(change)
    return Check(
        id=change.id,
        target=change.target,
        kind=change.kind,
        category=change.category,
        expected=expected,
        verdict=verdict,
        alarms=found.alarms,
        why=reasons[0],
        verified=found.tests.verified,
        unverified=len(found.tests.unverified) + found.tests.unnamed,
        differing=found.replay.differing if found.replay else (),
        policy=policy,
        ok=is_right(expected, verdict, found.alarms),
    )


def _seen(expect: Expect) -> bool:
    """Whether a defence that runs is said to notice it."""
    noticed = {
        "oracle": expect.oracle == "fails",
        "replay": expect.replay == "differs",
        "environments": expect.environments == "differs",
    }
    return any(noticed[name] for name in DEFENCES)


def _spread(changes: list[Change], chance: random.Random) -> list[Change]:
    """All of them, so that each part from the start on holds as many targets and categories as can be."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.category, change.target), []).append(change)
    order = list(groups.values())
    chance.shuffle(order)
    for group in order:
        chance.shuffle(group)
    return [group[turn] for turn in range(max(map(len, order), default=0)) for group in order if turn < len(group)]


def _config(target: Target) -> TargetConfig:
    text = f'[target]\nsource = ["{target.source}"]\ntests = ["tests"]\n[sandbox]\ntimeout = "{_PATIENCE}"\n'
    return parse_config(text)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
