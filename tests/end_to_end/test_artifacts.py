"""A file that the tests leave goes into the evidence and is shown by `holdpoint logs`; what is refused is an alarm."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SOURCE, Target

pytestmark = pytest.mark.engine

LEAVING = (
    "import os, pathlib\nfrom calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    "    report = pathlib.Path('/work/report')\n    report.mkdir(exist_ok=True)\n"
    "    (report / 'sums.txt').write_text('add\\x1b]52;c;aGk=\\x07 is right\\n')\n"
    "    (report / 'host.txt').unlink(missing_ok=True)\n    (report / 'host.txt').symlink_to('/etc/passwd')\n"
)
CONFIG = '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[sandbox]\nreplay = 0\nartifacts = ["report/*.txt"]\n'


def test_from_the_container_to_the_command(repository: Callable[..., Path], tmp_path: Path) -> None:
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": LEAVING, "holdpoint.toml": CONFIG}
    target = Target(repository(files), tmp_path / "ana.key")
    assert target("init", "--reviewer", "ana", "--generate-key", target.key).code == 0
    number = target.proposed(tmp_path / "overlay", SOURCE.replace("a + b", "b + a"))
    ran = target("run", number)
    assert ran.out, ran
    assert ran.json["verdict"] == "pass", ran
    alarms = [alarm["detail"] for alarm in ran.json["alarms"] if alarm["kind"] == "artifact"]
    assert alarms == ["artifact refused: report/host.txt: it is a symbolic link"]
    listed = target("logs", number)
    assert [(entry["path"], entry["size"]) for entry in listed.json["artifacts"]] == [("report/sums.txt", 25)]
    shown = target("logs", number, "--artifact", "report/sums.txt", json=False)
    assert shown.out == "add␛]52;c;aGk=␇ is right\n\n"
    missing = target("logs", number, "--artifact", "report/host.txt")
    assert missing.code == 2
    assert "report/sums.txt" in missing.err
