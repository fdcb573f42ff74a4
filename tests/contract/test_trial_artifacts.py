"""Files that a candidate's tests leave for the reader, in real containers: what comes out and what is refused."""

from collections.abc import Callable

import pytest

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.repo import matches
from harness.target import SandboxSection, TargetConfig, TargetSection
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.tests import TestRun, run_tests

pytestmark = pytest.mark.engine

GOOD = "def add(a, b):\n    return a + b\n"
SOURCE = ("src/calc",)

LEAVING = """\
import os, pathlib
from calc import add

def test_add():
    assert add(1, 2) == 3
    report = pathlib.Path("/work/report")
    report.mkdir()
    (report / "tests.xml").write_bytes(b"<ok/>" + bytes(range(256)))
    (report / "notes.txt").write_text("not listed")
    deep = pathlib.Path("/work/out", *("d" * 50 for _ in range(3)))
    deep.mkdir(parents=True)
    (deep / "x").write_text("deep")
    (deep / ("n" * 200)).write_text("no ustar name")
    (report / "a\\x1b]52;c;aGk=\\x07.xml").write_text("steers")
    (report / "link.xml").symlink_to("/etc/passwd")
    os.link(report / "notes.txt", report / "hard.xml")
    os.mkfifo(report / "pipe.xml")
    (report / "big.xml").write_bytes(bytes(5 * 1024 * 1024))
    (report / "TESTS.xml").write_text("another")
"""
BASE = {"src/calc/__init__.py": GOOD.encode(), "tests/test_calc.py": LEAVING.encode()}


Run = Callable[..., TestRun]


@pytest.fixture(scope="module")
def run(engine: Engine) -> Run:
    """Runs the tests on this text of the candidate, with these files allowed out."""
    image = ensure_sandbox_image(engine, print)
    judge = judge_image(engine, image, {"tests/test_calc.py": BASE["tests/test_calc.py"]}, scope_links(SOURCE))

    def asked(text: str, *artifacts: str) -> TestRun:
        trees = {"base": BASE, "merge": {**BASE, "src/calc/__init__.py": text.encode()}}
        config = TargetConfig(
            target=TargetSection(source=SOURCE, tests=("tests",)),
            sandbox=SandboxSection(timeout=10.0, artifacts=artifacts),
        )
        inputs = TrialInputs(
            base_commit="base",
            merge_commit="merge",
            config=config,
            image=image,
            judge=judge,
            run_id="contract-artifacts",
            read=lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)},
        )
        return run_tests(engine, inputs, "candidate")

    return asked


def test_listed_files_come_out_and_the_rest_is_named(run: Run) -> None:
    found = run(GOOD, "report/*.xml", "out/**")
    assert found.report.problems == ()
    assert found.report.outcomes == ("passed",)
    deep = "/".join(["out", *("d" * 50 for _ in range(3)), "x"])
    files = {each.path: each.data for each in found.artifacts}
    assert set(files) == {"report/TESTS.xml", deep}, (found.refused, found.stderr, found.stdout[-500:])
    assert files[deep] == b"deep"
    why = {each.name: each.why for each in found.refused}
    assert "only in case" in why["report/tests.xml"]
    assert "symbolic link" in why["report/link.xml"]
    assert "pipe" in why["report/pipe.xml"]
    assert "larger than allowed" in why["report/big.xml"]
    assert "hard link" in why["report/hard.xml"]
    assert "control" in why["report/a␛]52;c;aGk=␇.xml"]
    assert len(why) == 7  # and the name that no plain header can hold


def test_nothing_is_brought_unasked(run: Run) -> None:
    found = run(GOOD)
    assert found.artifacts == found.refused == ()
    assert b"artifacts" not in found.stdout


FORGING = """
import base64, io, json, os, tarfile
def forge():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("report/forged.xml")
        archive.addfile(entry)
    line = json.dumps({"e": "artifacts", "data": base64.b64encode(out.getvalue()).decode()}).encode()
    for fd in range(1, 30):
        for said in (line, b"s " + line):
            try:
                os.write(fd, said + b"\\n")
            except OSError:
                pass
forge()
"""


def test_artifacts_forged_by_the_tests_process_do_not_count(run: Run) -> None:
    found = run(GOOD + FORGING, "report/*.xml")
    assert "report/forged.xml" not in {each.path for each in found.artifacts}
    assert found.report.problems


SWAPPING = """
import os, subprocess, sys
if os.path.isdir("/work") and not os.path.exists("/work/report/swap.xml"):
    os.makedirs("/work/report", exist_ok=True)
    program = (
        "import os\\nmakers = lambda: open('t', 'w').write('x'), lambda: os.symlink('/etc/passwd', 't')\\n"
        "while True:\\n  for make in makers:\\n    make()\\n    os.replace('t', '/work/report/swap.xml')\\n"
    )
    subprocess.Popen([sys.executable, "-c", program], cwd="/work/report", start_new_session=True)
"""


def test_a_file_that_is_swapped_during_the_copy_is_a_whole_file_or_refused(run: Run) -> None:
    found = run(GOOD + SWAPPING, "report/swap.xml")
    assert [each.data for each in found.artifacts] in ([], [b"x"], [b""])
    assert len(found.artifacts) + len(found.refused) <= 1
