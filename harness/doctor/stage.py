"""A real repository in a scratch folder for the probes of git, and plain git in it; decides nothing.

The program beside it only touches a file in the scratch folder: whether that is there says if it was run.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from harness.repo import Repo
from harness.scratch import Scratch

AT: Final = datetime(2026, 1, 2, tzinfo=UTC)
_BASE: Final = {"src/a.py": b"one = 1\ntwo = 2\nthree = 3\n", "src/b.py": b"b = 1\n"}
_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Stage:
    """A target with one commit, and a program beside it that leaves a mark when it is run."""

    folder: Path
    root: Path
    tip: str
    program: Path
    maker: Repo

    def repo(self, where: Path | None = None) -> Repo:
        """The target (or what is at `where`) as the harness opens it, nothing remembered."""
        return Repo.find(where or self.root)

    def commit(self, files: Mapping[str, bytes], base: str | None = None, branch: str | None = None) -> str:
        """A commit made by the harness."""
        made = self.maker.commit_edits(
            base or self.tip, dict(files), message="change", author="agent:probe", branch=branch, at=AT
        )
        return made[0]

    def git(self, *args: str, where: Path | None = None, stdin: str = "") -> str:
        """What plain git says, with the target's own configuration and none of the machine's."""
        who = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = {"HOME": str(self.folder), "PATH": os.environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        ran = subprocess.run(
            ["git", *args],
            cwd=where or self.root,
            env=env | who,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return ran.stdout.strip()

    def ran(self) -> str:
        """Says so if the program was run since the last question."""
        mark = self.folder / "ran"
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return "a program that the repository names was run" if found else ""


Trick = Callable[[Stage], str]
"""How somebody was fooled, in words; empty if they were not."""


@contextmanager
def staged() -> Iterator[Stage]:
    """A fresh stage, gone afterwards."""
    with Scratch() as scratch:
        root = scratch.path / "target"
        made = Repo.init(root)
        tip = made.commit_edits(None, dict(_BASE), message="base", author="agent:probe", branch=None, at=AT)[0]
        made.land("main", tip, None)
        program = scratch.path / "program"
        program.write_text(f'#!/bin/sh\ntouch "{scratch.path}/ran"\n[ -f "${{1:-}}" ] || cat\n')
        program.chmod(0o755)
        try:
            yield Stage(scratch.path, root, tip, program, made)
        finally:
            made.close()
