"""Real history as proposals: does Holdpoint's verdict equal that of the base's natively run suite? Decides nothing.

PATH is a repository on this machine, bare or not; it is only read. Each of its last source-changing commits is asked
about on its first parent: the parent's tests and configuration, the commit's files of the editable scope, as a proposal
would bring them. What the tests need is locked in `benchmarks/locks/NAME.lock`, or in PATH:LOCK.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from suites import AT, LOCK, LOCKS, config_of, tell

from harness.container import Engine
from harness.errors import RefusedError, UsageError
from harness.records import Replayed
from harness.repo import Repo, matches
from harness.target import StateDir, TargetConfig
from harness.trial.lab import Lab
from harness.trial.question import Question
from harness.trial.tests import judge, run_tests, unusable
from harness.trial.verdict import conclude

LAST = 30
MOST_LOOKED_AT = 2000  # commits, of which few may change the source
MOST_NAMED = 5


def changes(history: Repo, tip: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(commit, parent, changed paths), newest first, along first parents."""
    commit = history.resolve(tip)
    for _ in range(MOST_LOOKED_AT):
        parents = history.parents(commit)
        if not parents:
            return
        yield commit, parents[0], history.changed_paths(parents[0], commit)
        commit = parents[0]


def in_scope(config: TargetConfig, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those that a proposal may bring."""
    source, tests = config.target.source, config.target.tests
    return tuple(path for path in paths if matches(path, source) and not matches(path, tests))


class History:
    """One package's commits, and a lab on a repository of our own, into which they are copied one by one."""

    def __init__(self, engine: Engine, text: str, without: tuple[str, ...], stack: ExitStack) -> None:
        place, _, lock = text.partition(":")
        path = Path(place).resolve()
        name = path.parent.name.partition("+")[2] if path.name == "repo" else path.name.removesuffix(".git")
        self.name = re.sub(r"[-.]", "_", name)
        self.history = Repo.open_bare(path)
        needed = Path(lock) if lock else LOCKS / f"{self.name}.lock"
        self.lock = needed.read_bytes() if needed.is_file() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.ours = Repo.init(folder / "target", bare=True)
        state = StateDir(self.ours.common_dir)
        state.create()
        self.engine = engine
        self.without = without
        self.lab = stack.enter_context(Lab(engine, self.ours, state, lambda _: None))

    def rows(self, tip: str, last: int) -> Iterator[dict[str, Any]]:
        """What became of each of the last source-changing commits."""
        count = 0
        for commit, parent, paths in changes(self.history, tip):
            if count == last:
                return
            files = self.files(parent)
            try:
                config = config_of(files)
            except UsageError:
                return  # an older layout that `init` does not know
            brought = in_scope(config, paths)
            if not any(path.endswith(".py") for path in brought):
                continue
            count += 1
            began = time.monotonic()
            row = {"commit": commit[:10], **self.asked(files, config, commit, brought)}
            yield {**row, "seconds": round(time.monotonic() - began, 1)}

    def files(self, commit: str) -> dict[str, bytes]:
        read = self.history.read_matching(commit, ("**",))
        found = {path: data for path, data in read.items() if path not in self.without}
        return {**found, LOCK: self.lock} if self.lock is not None else found

    def asked(
        self, files: Mapping[str, bytes], config: TargetConfig, commit: str, brought: tuple[str, ...]
    ) -> dict[str, Any]:
        """Both verdicts on one commit."""
        theirs = self.history.read_matching(commit, brought)
        base = self.commit(None, dict(files))
        merge = self.commit(base, {path: theirs.get(path) for path in brought})
        question = Question(base=base, merge=merge, parent=None, config=config, claims_gain=False)
        inputs = self.lab.inputs(question)
        native = run_tests(self.engine, inputs, "baseline")
        if unusable(native):
            return {"native": "", "verdict": "", "equal": None, "why": unusable(native)[:200]}
        plain = judge(native, run_tests(self.engine, inputs, "candidate"))
        good = plain.passed == plain.expected and not (plain.failed or plain.missing or plain.skipped)
        try:
            seen = self.lab.examine(question)
        except RefusedError as error:
            return {"native": "pass" if good else "fail", "verdict": "", "equal": None, "why": str(error)[:200]}
        verdict, reasons = conclude((), seen.tests, seen.effects, seen.faults)
        return {
            "native": "pass" if good else "fail",
            "verdict": verdict,
            "equal": verdict == ("pass" if good else "fail"),
            "why": reasons[0][:200],
            "verified": seen.tests.verified,
            "corroborated": len(seen.tests.corroborated),
            "unverified": len(seen.tests.unverified) + seen.tests.unnamed,
            "alarms": [f"{alarm.kind}: {alarm.detail}"[:200] for alarm in seen.alarms],
            "differing": differing(seen.replay),
        }

    def commit(self, base: str | None, edits: Mapping[str, bytes | None]) -> str:
        """A commit of our own with these files on a base."""
        made, _ = self.ours.commit_edits(base, edits, message="history", author="human:history", branch=None, at=AT)
        return made


def differing(replay: Replayed | None) -> list[str]:
    """The functions that answer otherwise than the base's."""
    return list(replay.differing) if replay else []


def summary(name: str, rows: list[dict[str, Any]]) -> str:
    """One package in one line."""
    asked = [row for row in rows if row["equal"] is not None]
    same = sum(row["equal"] for row in asked)
    failed = sum(row["native"] == "fail" for row in asked)
    return (
        f"{name}: {len(rows)} source-changing commits, {len(asked)} with a base whose tests pass; "
        f"{same} verdicts equal the native one ({failed} of them fail); "
        f"{sum(bool(row['differing']) for row in asked)} with replay differences, "
        f"{sum(bool(row['alarms']) for row in asked)} with alarms; "
        f"{sum(row['seconds'] for row in rows) / max(1, len(rows)):.0f} s a commit"
    )


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a repository, or PATH:LOCK")
    parser.add_argument("--last", type=int, default=LAST, help="so many source-changing commits")
    parser.add_argument("--without", default="", metavar="PATH,…", help="test files that cannot run here, left out")
    parser.add_argument("--tip", default="HEAD", help="the newest commit")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with Engine.connect() as engine:
        for text in options.paths:
            with ExitStack() as stack:
                history = History(engine, text, tuple(options.without.split(",")), stack)
                rows = found.setdefault(history.name, [])
                for row in history.rows(options.tip, options.last):
                    tell(f"{history.name} {json.dumps(row)}")
                    rows.append(row)
    if options.json:
        print(json.dumps({"schema": "holdpoint/benchmark-history/1", "packages": found}))
        return
    for name, rows in found.items():
        print(summary(name, rows))
        for row in rows:
            if row["equal"] is False or row["equal"] is None or row["differing"]:
                print(f"  {row['commit']} native {row['native'] or '-'}, ours {row['verdict'] or '-'}: {row['why']}")
                if row.get("differing"):
                    print(f"    answers otherwise: {', '.join(row['differing'][:MOST_NAMED])}")


if __name__ == "__main__":
    main()
