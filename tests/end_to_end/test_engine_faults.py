"""The engine is killed in the middle of a trial, or a disk is full: one clear error, and the same command goes on.

Everything happens to a daemon and to a small file system of the test's own.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.container import Engine, ensure_engine, ensure_sandbox_image
from harness.container.base import base_tag
from harness.container.daemon import Daemon
from tests.end_to_end.conftest import COMMAND, ENVIRONMENT, SOURCE, TEST, Answer, Target, git
from tests.shared.own_daemon import kill_all, own_daemon

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon"),
]

SLOW_TEST = TEST + "\n\ndef test_slow():\n    import time\n    time.sleep(3)\n"
CONFIG = '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[sandbox]\nreplay = 0\n'


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """A daemon of our own that has the sandbox image already."""
    with Engine.connect() as machine:
        tags = (base_tag(), ensure_sandbox_image(machine, lambda _: None).tag)
    with own_daemon() as made:
        ensure_engine(lambda _: None, {"DOCKER_HOST": f"unix://{made.socket}"}, made)
        with subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE) as saved:
            docker(made, "load", stdin=saved.stdout)
        yield made


def docker(daemon: Daemon, *command: str, stdin: object = None) -> str:
    done = subprocess.run(
        ["docker", "--host", f"unix://{daemon.socket}", *command],
        stdin=stdin,  # type: ignore[call-overload]
        capture_output=True,
        text=True,
        check=True,
    )
    return str(done.stdout.strip())


@pytest.fixture
def elsewhere(daemon: Daemon, tmp_path: Path) -> dict[str, str]:
    """The environment of a harness that knows only our own daemon."""
    return {**ENVIRONMENT, "DOCKER_HOST": f"unix://{daemon.socket}", "XDG_STATE_HOME": str(tmp_path / "state")}


def start(target: Target, environment: dict[str, str], *argv: str) -> "subprocess.Popen[str]":
    command = [*COMMAND, "--json", "--repo", str(target.root), *argv]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: "subprocess.Popen[str]") -> Answer:
    out, err = process.communicate(timeout=200)
    return Answer(process.returncode, out, err)


def made(root: Path, files: dict[str, str], tmp_path: Path) -> Target:
    for path, text in {**files, "holdpoint.toml": CONFIG}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root.parent, "init", "-q", "-b", "main", str(root))
    git(root, "add", ".")
    git(root, "-c", "user.name=x", "-c", "user.email=x@example.invalid", "commit", "-q", "-m", "start")
    target = Target(root, tmp_path / "key")
    answer = target("init", "--reviewer", "ana", "--generate-key", target.key)
    assert answer.code == 0, answer
    return target


def is_one_clear_error(answer: Answer) -> None:
    assert answer.code == 4, answer
    assert answer.out == ""
    assert answer.err.count("holdpoint: ") == 1, answer.err
    assert answer.err.count("  next: ") == 1, answer.err
    assert "Traceback" not in answer.err


def until(what: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_engine_killed_in_the_middle_of_a_trial(daemon: Daemon, elsewhere: dict[str, str], tmp_path: Path) -> None:
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": SLOW_TEST}
    target = made(tmp_path / "target", files, tmp_path)
    proposal = target.proposed(tmp_path / "change", SOURCE.replace("a + b", "b + a"))
    running = start(target, elsewhere, "run", proposal)
    until(lambda: docker(daemon, "ps", "-q", "--filter", "label=holdpoint.role=tests") != "")
    kill_all(daemon, keep=())
    broken = ended(running)
    is_one_clear_error(broken)
    assert "the engine went away" in broken.err or "no container engine answers" in broken.err
    assert target("show", proposal).json["state"] in ("accepted", "running")

    ensure_engine(lambda _: None, elsewhere, daemon)
    answer = ended(start(target, elsewhere, "run", proposal))
    assert answer.code == 0, answer
    assert docker(daemon, "ps", "-aq") == ""


def test_no_room_where_the_engine_keeps_its_images(daemon: Daemon, elsewhere: dict[str, str], tmp_path: Path) -> None:
    place = Path(daemon.socket).parent
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST}
    (tmp_path / "target/tests").mkdir(parents=True)
    (tmp_path / "target/tests/data.bin").write_bytes(os.urandom(30_000_000))
    target = made(tmp_path / "target", files, tmp_path)
    proposal = target.proposed(tmp_path / "change", SOURCE.replace("a + b", "b + a"))
    used = shutil.disk_usage(place).used
    subprocess.run(["mount", "-o", f"remount,size={used + 10_000_000}", str(place)], check=True)
    try:
        is_one_clear_error(ended(start(target, elsewhere, "run", proposal)))
    finally:
        subprocess.run(["mount", "-o", "remount,size=2g", str(place)], check=True)
    answer = ended(start(target, elsewhere, "run", proposal))
    assert answer.code == 0, answer
    assert docker(daemon, "ps", "-aq") == ""
    assert docker(daemon, "images", "-q", "--filter", "dangling=true") == ""


def test_no_room_for_the_target_s_state(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "holdpoint-test", str(place)], check=True)
    try:
        files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST}
        target = made(place / "target", files, tmp_path)
        proposal = target.proposed(tmp_path / "change", SOURCE.replace("a + b", "b + a"))
        ballast = place / "ballast"
        for free in (0, 40_000, 100_000):
            ballast.write_bytes(b"")
            ballast.write_bytes(b"x" * (shutil.disk_usage(place).free - free))
            answer = target("run", proposal, "--again")
            if answer.code != 0:  # a little room may do
                is_one_clear_error(answer)
            assert free or answer.code != 0
        ballast.unlink()
        answer = target("run", proposal, "--again")
        assert answer.code == 0, answer
        assert list(place.rglob("holdpoint-scratch-*")) == []
        assert target("verify").json["ledger"]["ok"] is True
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
