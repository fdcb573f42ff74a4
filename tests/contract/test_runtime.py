"""`[sandbox] runtime`: a trial runs under what the target names, on a daemon of the test's own that has another one.

The nearest to gVisor that every machine has: runc under another name, through a witness that writes down each call.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_daemon import own_daemon

from harness.container import Engine, ImageRef, ensure_sandbox_image, judge_image
from harness.container.daemon import PATH, start
from harness.errors import UsageError
from harness.repo import matches
from harness.target import TargetConfig, parse_config
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.tests import run_tests, unusable

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon"),
]

WITNESS = """#!/bin/sh
echo "$*" >> {log}
exec {runc} "$@"
"""
BASE = {"src/calc.py": b"one = 1\n", "tests/test_calc.py": b"import calc\ndef test_one(): assert calc.one == 1\n"}


def config(runtime: str) -> TargetConfig:
    return parse_config(f'[target]\nsource = ["src"]\ntests = ["tests"]\n[sandbox]\nruntime = "{runtime}"\n')


def moved(image: ImageRef, host: str) -> None:
    """Carries an image from the machine's daemon to the other, under the same id."""
    with subprocess.Popen(["docker", "save", image.tag], stdout=subprocess.PIPE) as saving:
        subprocess.run(["docker", "--host", host, "load", "--quiet"], stdin=saving.stdout, check=True)
    assert saving.returncode == 0


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    program = tmp_path / "witness"
    program.write_text(WITNESS.format(log=tmp_path / "log", runc=shutil.which("runc", path=PATH)))
    program.chmod(0o755)
    return program


@pytest.fixture
def other(witness: Path) -> Iterator[Engine]:
    """A daemon that has the runtimes runc and other."""
    with own_daemon(f"--add-runtime=other={witness}") as daemon:
        environ = {"DOCKER_HOST": f"unix://{daemon.socket}"}
        with start(daemon, environ, lambda _: None) as engine:
            yield engine


def test_a_trial_runs_under_the_runtime_that_the_target_names(other: Engine, tmp_path: Path) -> None:
    assert {"other", "runc"} <= set(other.info.runtimes)
    with Engine.connect() as machine:
        image = ensure_sandbox_image(machine, lambda _: None)
    moved(image, other.info.host)
    inputs = TrialInputs(
        base_commit="base",
        merge_commit="merge",
        config=config("other"),
        image=image,
        judge=judge_image(other, image, {"tests/test_calc.py": BASE["tests/test_calc.py"]}, scope_links(("src",))),
        run_id="test-runtime",
        read=lambda _commit, patterns: {path: data for path, data in BASE.items() if matches(path, patterns)},
        arch=other.info.arch,
    )
    with other.start(inputs.spec(image, "test")) as session:
        assert other.settings(session.container)["HostConfig"]["Runtime"] == "other"
        assert session.container in (tmp_path / "log").read_text()
    run = run_tests(other, inputs, "candidate")
    assert unusable(run) == ""
    assert (run.report.outcomes, run.trial.state.exit_code) == (("passed",), 0)
    created = [line for line in (tmp_path / "log").read_text().splitlines() if " create " in line]
    assert len(created) == 2


@pytest.mark.parametrize("name", ["", "a b", "../runc", "-x", "x" * 65])
def test_a_name_that_no_engine_takes_is_a_mistake_of_the_file(name: str) -> None:
    with pytest.raises(UsageError, match=r"sandbox\.runtime"):
        config(name)
