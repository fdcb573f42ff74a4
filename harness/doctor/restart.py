"""A trial whose engine is stopped and started again: a Docker engine of the doctor's own, never the machine's.

That engine has no network, lives in one temporary folder, and is the first process of a namespace: when it or we die,
everything in it is gone, its mounts too.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.container import ContainerSpec, Engine, ensure_engine
from harness.container.archive import tar_of
from harness.container.daemon import PATH, Daemon, await_answer, clear_leftovers, command
from harness.container.profile import LABEL
from harness.doctor.bench import Bench
from harness.doctor.mayfly import Order, mayfly
from harness.doctor.probe import Blocked, Fired, Outcome, Unclear
from harness.errors import EnvironmentFault
from harness.scratch import Scratch

_END: Final = 20.0  # seconds for a daemon to end; what is left then is killed
_FALL: Final = 10.0  # seconds that a harness may take to see that its engine is gone
_TAG: Final = "holdpoint-doctor:sleep"
_SLEEP: Final = "/sleep"
# The machine's containerd is out of its sight, lest it use that.
_HIDE: Final = 'mkdir -p /run/containerd && mount -t tmpfs holdpoint /run/containerd && exec "$@"'
_ALONE: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount", "--propagation", "private"),
    *("sh", "-c", _HIDE, "sh"),
)


def restarted(bench: Bench) -> tuple[Outcome, Outcome]:
    """What is left of two harnesses whose engine went away and came back.

    First of both after the next start's clean-up, then before it of the one that had no warden.
    """
    missing = _missing()
    if missing:
        return Unclear(detail=missing), Unclear(detail=missing)
    with PrivateEngine() as private:
        with private.start() as engine:
            spec = _sleeper(bench, engine, private.folder)
        orders = [Order(host=private.host, spec=spec, watched=watched) for watched in (True, False)]
        with mayfly(orders[0]) as watched, mayfly(orders[1]) as unwatched:
            started = (watched.container, unwatched.container)
            private.stop()
            ended = watched.ends(_FALL) and unwatched.ends(_FALL)
        with private.start() as engine:
            before = {kept.id for kept in engine.labelled(LABEL)}
            ensure_engine(lambda _text: None, {"DOCKER_HOST": private.host}, private.daemon)
            after = {kept.id for kept in engine.labelled(LABEL)}
            for container in after:
                engine.remove(container)
    return _after(ended, len(after)), _before(started[1] in before)


def _after(ended: bool, left: int) -> Outcome:
    if not ended:
        return Fired(detail=f"a harness still waited {_FALL:.0f} s after its engine's end")
    if left:
        return Fired(detail=f"{left} containers are left after the next start's clean-up")
    return Blocked(detail="both harnesses ended, and nothing is left after the next start's clean-up")


def _before(there: bool) -> Outcome:
    if there:
        return Fired(detail="the container is there again when the engine is back")
    return Blocked(detail="the container was gone when the engine came back")


class PrivateEngine:
    """A Docker engine that shares nothing with the machine's, in a folder that goes with it; a context manager."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self.folder = self._scratch.path
        self.daemon = Daemon(
            socket=f"{self.folder}/d.sock",
            pidfile=f"{self.folder}/d.pid",
            exec_root=f"{self.folder}/x",
            log=f"{self.folder}/log",
            lock=f"{self.folder}/lock",
            containerd=f"{self.folder}/c.sock",
            # systemd would take the process numbers of this namespace for the machine's.
            options=(f"--data-root={self.folder}/data", "--exec-opt=native.cgroupdriver=cgroupfs"),
        )
        self.host = f"unix://{self.daemon.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._scratch.close()

    def start(self) -> Engine:
        """A connection to it, as soon as it answers; it is our child, and is killed when we die."""
        clear_leftovers(self.daemon)
        with Path(self.daemon.log).open("ab") as log:
            self._process = subprocess.Popen(
                [*_ALONE, *command(self.daemon)],
                env={"PATH": PATH, "HOME": str(self.folder)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return await_answer(self.daemon, {"DOCKER_HOST": self.host}, self._process.pid)

    def stop(self) -> None:
        """Ends it as a service manager does, its containers with it; no error if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        # Not to `unshare`, which ends with its child.
        try:
            for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(pid), signal.SIGTERM)
            process.wait(_END)
        except (OSError, subprocess.TimeoutExpired):
            # Some kernels do not list children; with `unshare`, all of them are killed.
            process.kill()
            process.wait()


def _missing() -> str:
    """Why no engine of our own can be started here; empty if one can."""
    if os.geteuid() != 0:
        return "only root starts an engine of its own"
    for program in ("dockerd", "setpriv", "unshare", "ldd", "sleep"):
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed here"
    return ""


def _sleeper(bench: Bench, engine: Engine, folder: Path) -> ContainerSpec:
    """A container of the machine's own `sleep`: moving the sandbox's image there would take longer than all else."""
    archive = folder / "root.tar"
    archive.write_bytes(_sleep_root())
    image = engine.images.import_root(_TAG, archive)
    return bench.spec((_SLEEP, "60")).model_copy(update={"image": image})


def _sleep_root() -> bytes:
    program = Path(str(shutil.which("sleep", path=PATH))).resolve()
    said = subprocess.run(["ldd", program], capture_output=True, text=True, env={"PATH": PATH}, check=False).stdout
    libraries = {found for found in re.findall(r"/\S+", said) if Path(found).is_file()}
    if not libraries and "static" not in said and "not a dynamic" not in said:
        raise EnvironmentFault(f"ldd does not say what {program} needs.")
    files = {library.lstrip("/"): Path(library).read_bytes() for library in libraries}
    return tar_of({**files, _SLEEP.lstrip("/"): program.read_bytes()}, executable={*files, _SLEEP.lstrip("/")})
