"""Temporary files: a live owner's stay, a dead one's go at the next use of the place, whole files or none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import EnvironmentFault
from harness.scratch import PREFIX, Scratch, sweep, write_whole

ROOT = Path(__file__).parents[2]
HOLDER = (
    "import sys, time; from pathlib import Path; from harness.scratch import Scratch\n"
    "made = Scratch(Path(sys.argv[1])); (made.path / 'deep').mkdir(); print(made.path, flush=True); time.sleep(60)"
)


def test_a_neighbour_s_folder_stays_until_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as neighbour:
        assert neighbour.stdout is not None
        theirs = Path(neighbour.stdout.readline().strip())
        with Scratch(tmp_path) as own:
            assert sweep(tmp_path) == ()
            assert own.path.is_dir()
            assert theirs.is_dir()
            neighbour.send_signal(signal.SIGKILL)
            neighbour.wait()
            assert sweep(tmp_path, dry=True) == (str(theirs),)
            assert theirs.is_dir()
            assert sweep(tmp_path) == (str(theirs),)
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_in_a_place_removes_what_was_left_there(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}folder").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("partial")
    (tmp_path / "holdpoint-other").write_text("a stranger's")
    write_whole(tmp_path / "made", b"data", place=tmp_path, mode=0o444)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holdpoint-other", "made"]
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o444


def test_a_link_in_the_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / f"{PREFIX}x").symlink_to(tmp_path / "precious")
    assert sweep(tmp_path / "place") == ()
    assert (tmp_path / "precious").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_another_user_left_is_not_ours_to_remove(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}x").mkdir()
    os.chown(tmp_path / f"{PREFIX}x", 65534, 65534)
    assert sweep(tmp_path) == ()


def test_a_child_that_holds_the_folder_keeps_it(tmp_path: Path) -> None:
    made = Scratch(tmp_path)
    with subprocess.Popen(["sleep", "60"], pass_fds=(made.descriptor,)) as child:
        os.close(made.descriptor)  # as the kernel does it when its maker is killed
        assert sweep(tmp_path) == ()
        child.kill()
        child.wait()
    assert sweep(tmp_path) == (str(made.path),)


def test_a_write_that_fails_leaves_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "old", b"new", place=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_place_that_takes_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"no temporary folder can be made in .*none: No such file"):
        Scratch(tmp_path / "none")
