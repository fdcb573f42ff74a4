"""`holdpoint gc` against an engine of the test's own: what nothing needs goes, what anything needs stays."""

import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.container import ensure_engine
from harness.container.daemon import Daemon
from harness.container.lease import CONNECTION_LABEL, owner
from harness.container.profile import LABEL, OWNER_LABEL
from harness.evidence import EvidenceStore
from harness.scratch import PREFIX, Scratch
from tests.end_to_end.conftest import COMMAND, ENVIRONMENT, SOURCE, Target
from tests.shared.own_daemon import own_daemon

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon"),
]
WEEKS = 20 * 86400.0


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with own_daemon() as made:
        ensure_engine(lambda _: None, {"DOCKER_HOST": f"unix://{made.socket}"}, made)
        yield made


def docker(daemon: Daemon, *command: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["docker", "--host", f"unix://{daemon.socket}", *command], input=stdin, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


@pytest.fixture
def target(lone_target: Target) -> Target:
    """Whose results are its own: here they are counted, and go."""
    return lone_target


def gc(daemon: Daemon, target: Target, *options: str) -> list[dict[str, Any]]:
    environment = {**ENVIRONMENT, "DOCKER_HOST": f"unix://{daemon.socket}", "TMPDIR": str(target.root.parent / "tmp")}
    command = [*COMMAND, "--json", "--repo", str(target.root), "gc", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    removed: list[dict[str, Any]] = json.loads(done.stdout)["removed"]
    return removed


def image(daemon: Daemon, tag: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(tag.replace("/", "-")))
    docker(daemon, "import", "-", tag, stdin=content.getvalue())


def container(daemon: Daemon, tag: str, name: str) -> str:
    labels = [f"--label={LABEL}=run", f"--label={OWNER_LABEL}={name}", f"--label={CONNECTION_LABEL}=x"]
    return docker(daemon, "create", "--network=none", *labels, tag, "/nothing")


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - WEEKS, time.time() - WEEKS))
    return path


def test_what_nothing_needs_goes_and_the_rest_stays(daemon: Daemon, target: Target, tmp_path: Path) -> None:
    for tag in ("holdpoint/judge:old", "holdpoint/judge:held", "stranger/judge:old"):
        image(daemon, tag)
    boot, namespace, pid, began = owner().split(":")
    dead = container(daemon, "holdpoint/judge:old", f"{boot}:{namespace}:{pid}:{int(began) + 1}")
    alive = container(daemon, "holdpoint/judge:held", owner())
    target.proposed(tmp_path / "change", SOURCE.replace("a + b", "b + a"))
    state = target.root / ".git/holdpoint"
    store = EvidenceStore(state / "evidence")
    needed = [aged(path) for path in (state / "evidence").glob("??/*")]
    assert needed, "the proposal's patch"
    lost = store.put(b"of a run that was cut off")
    aged(state / "evidence" / lost[7:9] / lost[9:])
    young = store.put(b"of a run that may be writing its outcome just now")
    (state / "cache").mkdir(exist_ok=True)
    for name in ("a" * 64, "b" * 64):
        (state / "cache" / name).write_text("{}")
    aged(state / "cache" / ("a" * 64))
    (tmp_path / "tmp").mkdir()
    held = Scratch(tmp_path / "tmp")
    stale = tmp_path / "tmp" / f"{PREFIX}0"
    (stale / "deep").mkdir(parents=True)
    expected = {
        ("container", dead),
        ("evidence", lost),
        ("result", "a" * 64),
        ("file", str(stale)),
    }
    with held:
        would = gc(daemon, target, "--dry-run")
        assert {(one["kind"], one["name"]) for one in would} == expected
        assert stale.is_dir()
        assert docker(daemon, "ps", "-aq", "--no-trunc", "--filter", f"id={dead}") == dead

        assert gc(daemon, target) == would
        assert held.path.is_dir()
    assert gc(daemon, target) == []
    assert not stale.exists()
    assert all(path.is_file() for path in needed)
    assert store.get(young)
    assert docker(daemon, "ps", "-aq", "--no-trunc") == alive
    assert (state / "cache" / ("b" * 64)).is_file()

    # Without use for as long as nothing at all: everything of ours that no container holds.
    removed = gc(daemon, target, "--unused", "0")
    assert {one["name"] for one in removed if one["kind"] == "image"} == {"holdpoint/judge:old"}
    left = docker(daemon, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(left) == ["holdpoint/judge:held", "stranger/judge:old"]


def test_without_an_engine_or_a_target_the_rest_is_done(target: Target, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"{PREFIX}0").mkdir()
    environment = {**ENVIRONMENT, "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "TMPDIR": str(tmp_path / "tmp")}
    for place in (tmp_path, target.root):
        (tmp_path / "tmp" / f"{PREFIX}0").mkdir(exist_ok=True)
        done = subprocess.run(
            [*COMMAND, "--json", "--repo", str(place), "gc"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert [one["kind"] for one in json.loads(done.stdout)["removed"]] == ["file"] or place == target.root
        assert list((tmp_path / "tmp").iterdir()) == []
        assert "Containers and images are left out" in done.stderr
