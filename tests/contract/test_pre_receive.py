"""The shipped pre-receive hook in a real bare repository, pushed to over git's own local transport."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_stage import Stage, build, git

from harness.data import data_dir
from harness.gate.signers import signers_lines

Push = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = build(tmp_path_factory.mktemp("target"))
    stage.landed()
    return stage


@pytest.fixture(scope="module")
def server(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty bare repository with the hook, a trusted signers file outside of it, and `holdpoint` on its PATH."""
    where = tmp_path_factory.mktemp("server")
    bare = where / "central.git"
    git(where, "init", "-q", "--bare", "-b", "main", str(bare))
    (where / "signers").write_bytes(signers_lines(stage.reviewers()))
    git(bare, "config", "holdpoint.signers", str(where / "signers"))
    shutil.copy(data_dir("examples") / "hooks" / "pre-receive", bare / "hooks" / "pre-receive")
    return bare


@pytest.fixture(scope="module")
def push(stage: Stage, server: Path) -> Push:
    def act(*refs: str) -> tuple[int, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["git", "push", "--porcelain", str(server), *refs], cwd=stage.root, capture_output=True, text=True,
            env={"HOME": str(server), "PATH": path, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}, check=False,
        )  # fmt: skip
        return ran.returncode, ran.stdout + ran.stderr

    return act


def test_only_what_people_approved_gets_in(stage: Stage, server: Path, push: Push) -> None:
    both = ("main", "holdpoint/approvals")
    code, words = push(*both)
    assert code == 0, words
    assert "approved" in words
    first = git(server, "rev-parse", "main")
    assert first == stage.tip()

    evil = git(stage.root, "commit-tree", "-m", "x", "-p", first, f"{first}^{{tree}}")
    code, words = push(f"{evil}:refs/heads/main")
    assert code != 0, "a commit that nobody approved"
    assert f"BAD  {evil[:12]}  no approval of it is on holdpoint/approvals" in words
    assert "holdpoint: refused" in words
    code, words = push(f"{evil}:refs/heads/anything/else")
    assert code == 0, words

    stage.landed(edits={"src/pkg/b.py": b"other = 8\n"})
    code, words = push(*both)
    assert code == 0, words
    code, words = push(f"+{first}:refs/heads/main", "+holdpoint/approvals~1:refs/heads/holdpoint/approvals")
    assert code != 0, "an older state, in itself whole"
    assert "refs/heads/main does not go on from" in words
    assert "holdpoint/approvals does not go on from" in words
    code, words = push(":refs/heads/main")
    assert code != 0
    assert "may not be deleted" in words
    assert git(server, "rev-parse", "main") == stage.tip()


def test_a_server_that_trusts_nobody_yet_takes_nothing(stage: Stage, server: Path, push: Push) -> None:
    trusted = git(server, "config", "holdpoint.signers")
    git(server, "config", "--unset", "holdpoint.signers")
    try:
        code, words = push("+main~1:refs/heads/main")
        assert code != 0
        assert "no holdpoint.signers" in words
    finally:
        git(server, "config", "holdpoint.signers", trusted)
