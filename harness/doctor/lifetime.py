"""Probes of what outlives its trial: daemons, deaf and stopped programs, and containers of a harness that dies.

The programs end by themselves after seconds; whatever a control leaves behind is removed by it.
"""

import contextlib
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Final, Literal

from harness.container import Line, Session, reap
from harness.container.lease import CONNECTION_LABEL
from harness.doctor.bench import Bench
from harness.doctor.mayfly import Mayfly, Order, mayfly
from harness.doctor.outside import argv_outside
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe, Unclear
from harness.doctor.restart import restarted
from harness.doctor.together import Together

How = Literal["daemon", "holder", "deaf", "stopped"]
_LIMIT: Final = 1.0  # seconds of wall clock that a program gets which does not end by itself
_GRACE: Final = 5.0  # and how much later everything must be gone, on a machine that other probes keep busy
_START: Final = 10.0
_INSIDE: Final = 20.0  # seconds after which a program ends by itself
_OUTSIDE: Final = 5.0
_WARDEN: Final = 10.0  # seconds that the warden has
_SOON: Final = 0.5
_ORPHANS: Final = threading.Lock()  # held from a harness's death on: one probe's reaper is not to take another's orphan


def _lingers(how: How) -> Act:
    """The attack: nothing of it may be left, nor hold up the harness, once its time is over."""

    def act(bench: Bench) -> Outcome:
        token = secrets.token_hex(8)
        argv = bench.argv("linger", {"how": how, "seconds": _INSIDE, "token": token})
        with bench.engine.start(bench.spec(argv, timeout=_LIMIT)) as session:
            if not _ready(session):
                return Unclear(detail="the program did not start in time")
            if not living(token):
                return Unclear(detail="the guest's processes cannot be seen from here")
            session.renew()
            began = time.monotonic()
            session.finish()
            took = time.monotonic() - began
        left = _left(token, began + _LIMIT + _GRACE)
        if left:
            return Fired(detail=f"{len(left)} processes live on")
        if took > _LIMIT + _GRACE:
            return Fired(detail=f"it held up its harness for {took:.1f} s")
        return Blocked(detail=f"nothing left after {took:.1f} s")

    return act


def _lingers_outside(how: How) -> Act:
    """The control: the same program as a child of ours, ended as one ends a child."""

    def act(_bench: Bench) -> Outcome:
        token = secrets.token_hex(8)
        process = subprocess.Popen(
            argv_outside("linger", {"how": how, "seconds": _OUTSIDE, "token": token}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        try:
            return _told_to_end(process, how, token)
        except subprocess.TimeoutExpired:
            return Unclear(detail=f"the program did not end within {_START:.0f} s")
        finally:
            for pid in living(token):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with process:  # closes its pipes and waits for it
                pass

    return act


def _told_to_end(process: "subprocess.Popen[bytes]", how: How, token: str) -> Outcome:
    assert process.stdin is not None
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        return Unclear(detail="the program did not start")
    process.stdin.close()
    if how in ("deaf", "stopped"):
        process.terminate()
        try:
            process.wait(_SOON)
        except subprocess.TimeoutExpired:
            return Fired(detail=f"it lives on {_SOON} s after SIGTERM")
        return Blocked(detail="SIGTERM ended it")
    process.wait(_START)
    if how == "holder":
        held = not select.select([process.stdout], [], [], _SOON)[0]
        return Fired(detail="its output does not end with it") if held else Blocked(detail="its output ended with it")
    time.sleep(_SOON)
    return Fired(detail="a daemon lives on without it") if living(token) else Blocked(detail="nothing was left")


def living(token: str) -> tuple[int, ...]:
    """The processes, in containers too, whose command line holds the token; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # gone meanwhile
                continue
            if token.encode() in command:
                found.append(int(entry.name))
    return tuple(found)


def _left(token: str, until: float) -> tuple[int, ...]:
    while living(token) and time.monotonic() < until:
        time.sleep(0.05)
    return living(token)


def _ready(session: Session) -> bool:
    until = time.monotonic() + _START
    while time.monotonic() < until:
        session.renew()
        match session.read_line(_LIMIT / 2):
            case Line(data=b"ready"):
                return True
            case _:
                pass
    return False


def _order(bench: Bench, watched: bool) -> Order:
    argv = bench.argv("linger", {"how": "deaf", "seconds": _INSIDE})
    return Order(host=bench.engine.info.host, spec=bench.spec(argv), watched=watched)


def _harness_killed(bench: Bench) -> tuple[Outcome, Outcome]:
    """Two harnesses get SIGKILL: with a warden, and without one."""
    with mayfly(_order(bench, watched=True)) as watched, mayfly(_order(bench, watched=False)) as unwatched:
        containers = (watched.container, unwatched.container)
        try:
            with _ORPHANS:
                for child in (watched, unwatched):
                    child.kill()
                began = time.monotonic()
                while _kept(bench, watched) and time.monotonic() - began < _WARDEN:
                    time.sleep(0.05)
                took = time.monotonic() - began
                stays, other_stays = _kept(bench, watched), _kept(bench, unwatched)
        finally:
            for container in containers:
                bench.engine.remove(container)
    return (
        Fired(detail=f"its container is there {took:.1f} s after it")
        if stays
        else Blocked(detail=f"its container was gone {took:.1f} s after it"),
        Fired(detail=f"its container was there {took:.1f} s after it")
        if other_stays
        else Blocked(detail="its container was gone without a warden too: somebody else cleans up here"),
    )


def _beside_a_neighbour(bench: Bench) -> tuple[Outcome, Outcome]:
    """Two harnesses, of which one dies; what is left of it may go only by a look at who lives."""
    order = _order(bench, watched=False)
    with mayfly(order) as dead, mayfly(order) as neighbour:
        containers = (dead.container, neighbour.container)
        try:
            with _ORPHANS:
                dead.kill()
                alike = _kept(bench, dead) and _kept(bench, neighbour)
                reap(bench.engine)
                stays, neighbour_stays = _kept(bench, dead), _kept(bench, neighbour)
        finally:
            for container in containers:
                bench.engine.remove(container)
    if not neighbour_stays:
        attack: Outcome = Fired(detail="a live neighbour's container was removed")
    elif stays:
        attack = Fired(detail="the dead harness's container stays")
    else:
        attack = Blocked(detail="the dead harness's container was removed, its live neighbour's stays")
    if alike:
        return attack, Fired(detail="the containers of both are there, and differ in nothing but their owner's life")
    return attack, Blocked(detail="a container was gone before anybody looked")


def _kept(bench: Bench, child: Mayfly) -> bool:
    # By the label that stays when the others are taken off.
    return any(kept.id == child.container for kept in bench.engine.labelled(CONNECTION_LABEL))


def _lingering(how: How, name: str, tries: str, control_is: str) -> Probe:
    return Probe(
        id=f"lifetime.{name}",
        group="lifetime",
        threat="lingering",
        tries=tries,
        control_is=f"the same program outside, {control_is}; it ends by itself after {_OUTSIDE:.0f} s",
        attack=_lingers(how),
        control=_lingers_outside(how),
    )


_KILLED: Final = Together(_harness_killed)
_NEIGHBOUR: Final = Together(_beside_a_neighbour)
_RESTARTED: Final = Together(restarted)

PROBES: Final[tuple[Probe, ...]] = (
    _lingering("daemon", "daemon", "leaves a daemon behind (two forks, a new session)", "its parent ends"),
    _lingering("holder", "first_process", "ends, while a daemon of it holds its output open", "read to the end"),
    _lingering("deaf", "deaf", "ignores every signal that can be ignored, past its time", "asked to end (SIGTERM)"),
    _lingering("stopped", "stopped", "stops itself (SIGSTOP), past its time", "asked to end (SIGTERM)"),
    Probe(
        id="lifetime.harness_killed",
        group="lifetime",
        threat="lingering",
        tries="its harness gets SIGKILL in the middle of a trial",
        control_is="a harness without a warden, killed with it; its container is removed moments later",
        attack=_KILLED.attack,
        control=_KILLED.control,
    ),
    Probe(
        id="lifetime.neighbour",
        group="lifetime",
        threat="lingering",
        tries="a harness dies beside a live one: its containers must go at the next start, the neighbour's stay",
        control_is="the same before anybody looks who lives; both containers are removed moments later",
        attack=_NEIGHBOUR.attack,
        control=_NEIGHBOUR.control,
        settings=("labels",),
    ),
    Probe(
        id="lifetime.engine_restarted",
        group="lifetime",
        threat="lingering",
        tries="its engine is stopped in the middle of a trial, and started again (an engine of the doctor's own)",
        control_is="the same before the clean-up at the next start, of a harness without a warden",
        attack=_RESTARTED.attack,
        control=_RESTARTED.control,
        alone=True,
    ),
)
