"""Where probes run their programs: containers of the real profile, or with one setting off for a control.

Each program is bounded in count and time by itself, and each container by what is left of the profile.
"""

import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from harness.container import (
    ContainerSpec,
    Engine,
    Finished,
    ImageRef,
    Limits,
    Profile,
    profile_for,
)
from harness.data import data_dir
from harness.doctor.neighbour import NEIGHBOUR, NEIGHBOUR_WITHOUT, Neighbour
from harness.records import ContainerState, Record

MIB: Final = 1024 * 1024
LIMITS: Final = Limits(timeout=20, memory=128 * MIB, cpus=0.5, pids=32, output=256 * 1024, work=16 * MIB, inodes=512)


class Said(Record):
    """What a guest program answered in its one line of JSON (None when it said nothing usable), and how it ended."""

    fired: bool | None
    detail: str
    facts: Mapping[str, Any]
    state: ContainerState
    stdout: bytes
    stderr: bytes
    settings: Mapping[str, Any]


class Bench:
    """One engine and image under examination; `off` are settings taken off the real profile, for tests of probes.

    Methods may be called from several threads.
    """

    def __init__(
        self, engine: Engine, image: ImageRef, run_id: str, runtime: str = "runc", off: tuple[str, ...] = ()
    ) -> None:
        self.engine = engine
        self.image = image
        self.run_id = run_id
        self.off = off
        self._runtime = runtime
        self._inspected: Mapping[str, Any] | None = None
        self._looked: Said | None = None
        self._lock = threading.Lock()
        spec = ContainerSpec(
            image=image.id,
            argv=self.argv("neighbour", NEIGHBOUR),
            profile=self.profile(),
            run_id=run_id,
            role="control",
            without=NEIGHBOUR_WITHOUT,
        )
        self._neighbour = Neighbour(engine, spec)

    def profile(self, **limits: Any) -> Profile:
        """The real profile at the doctor's limits, or at others."""
        return profile_for(LIMITS.model_copy(update=limits), self._runtime, self.engine.info.arch)

    def spec(self, argv: tuple[str, ...], without: tuple[str, ...] = (), **limits: Any) -> ContainerSpec:
        """A container of the real profile for a program that a probe talks to itself; `without` makes it a control."""
        off = tuple(dict.fromkeys((*self.off, *without)))
        return ContainerSpec(
            image=self.image.id,
            argv=argv,
            profile=self.profile(**limits),
            run_id=self.run_id,
            role="control" if without or self.off else "probe",
            without=off,
            neighbour=self._neighbour.container() if "network" in off else "",
        )

    def argv(self, program: str, args: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """The command that runs sandbox/probes/PROGRAM.py in a container; `sys.argv[1]` is `args` as JSON."""
        return (self.image.python, "-I", "-B", "-c", program_text(program), json.dumps(dict(args or {})))

    def guest(
        self, program: str, without: tuple[str, ...] = (), args: Mapping[str, Any] | None = None, **limits: Any
    ) -> Said:
        """Runs sandbox/probes/PROGRAM.py, whose `sys.argv[1]` is `args` as JSON, and takes its last line as the answer.

        The program prints {"fired": bool, "detail": "…", …}; other keys become `facts`.
        """
        spec = self.spec(self.argv(program, args), without, **limits)
        with self.engine.start(spec) as session:
            settings = self.engine.settings(session.container)
            done = session.finish()
        return _said(done, settings)

    def inspected(self) -> Mapping[str, Any]:
        """What the engine says of a container of the real profile, asked once."""
        with self._lock:
            if self._inspected is None:
                with self.engine.start(self.spec((self.image.python, "-I", "-c", "pass"))) as session:
                    self._inspected = self.engine.settings(session.container)
            return self._inspected

    def look(self) -> Said:
        """What a container of the real profile, or of what is left of it, sees of itself; asked once."""
        with self._lock:
            if self._looked is None:
                self._looked = self.guest("look")
            return self._looked

    def close(self) -> None:
        """Removes the neighbour, if there is one."""
        self._neighbour.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def program_text(program: str) -> str:
    """sandbox/probes/PROGRAM.py, which is to run isolated (-I) and is told what to do by `sys.argv[1]`, in JSON."""
    return (data_dir("sandbox") / "probes" / f"{program}.py").read_text()


def _said(done: Finished, settings: Mapping[str, Any]) -> Said:
    last = (done.stdout.strip().splitlines() or [b""])[-1]
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("fired"), bool):
        found = {"fired": None, "detail": done.stderr.decode(errors="replace").strip()[-200:] or "it said nothing"}
    facts = {name: value for name, value in found.items() if name not in {"fired", "detail"}}
    return Said(
        fired=found["fired"],
        detail=str(found.get("detail", ""))[:300],
        facts=facts,
        state=done.state,
        stdout=done.stdout,
        stderr=done.stderr,
        settings=settings,
    )
