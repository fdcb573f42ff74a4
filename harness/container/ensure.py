"""Makes sure that a container engine answers: uses the one there is, else installs and starts Docker on Debian.

It never stops an engine, and never starts one that DOCKER_HOST names elsewhere.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.container import apt
from harness.container.api import NoEngineFault
from harness.container.daemon import MACHINE, PATH, Daemon, await_answer, start
from harness.container.engine import Engine, EngineInfo
from harness.container.lease import reap
from harness.errors import EnvironmentFault

_BY_HAND = "install Docker Engine 20.10 or newer and start it, or set DOCKER_HOST to an engine"


def ensure_engine(
    report: Callable[[str], None], environ: Mapping[str, str] = os.environ, daemon: Daemon = MACHINE
) -> EngineInfo:
    """What the reachable engine says of itself; installed and started first where nothing answers and we may.

    Containers of harnesses that died are removed. An engine that DOCKER_HOST names is the user's to start.
    `EnvironmentFault` says what to type.
    """
    try:
        engine = Engine.connect(environ)
    except NoEngineFault as fault:
        host = environ.get("DOCKER_HOST")
        if host and host != f"unix://{daemon.socket}":
            raise EnvironmentFault(
                f"DOCKER_HOST is {host}, and no engine answers there.", "start that engine, or unset DOCKER_HOST"
            ) from fault
        engine = _start(report, environ, daemon)
    with engine:
        reap(engine)
        return engine.info


def _start(report: Callable[[str], None], environ: Mapping[str, str], daemon: Daemon) -> Engine:
    installed = shutil.which("dockerd", path=PATH) is not None
    if installed and os.geteuid() != 0:
        raise EnvironmentFault(
            "Docker is installed but not running, and only root may start it.", "sudo systemctl start docker"
        )
    if not installed:
        apt.install(("docker.io",), report, _BY_HAND)
    if daemon == MACHINE and Path("/run/systemd/system").is_dir():
        report("starting docker.service")
        # Its outcome shows in whether the engine answers.
        subprocess.run(["systemctl", "start", "docker"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return await_answer(daemon, environ, None)
    return start(daemon, environ, report)
