"""Probes of what comes out of a container: hostile archives, files and words against our readers and naive ones.

The archives are made in containers of the real profile. Naive readers unpack into a scratch folder of their own, and
what they are led to lies beside it in that folder: nothing else on the machine is touched.
"""

import io
import json
import secrets
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness.container import (
    Artifact,
    ArtifactLimits,
    ArtifactReader,
    Line,
    guest_argv,
    run_batch,
    stream,
)
from harness.data import data_dir
from harness.doctor.bench import MIB, Bench
from harness.doctor.guest import in_guest
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe, Unclear
from harness.scratch import Scratch
from harness.text import visible_line
from harness.trial.report import Listener

_ALLOWED: Final = ("report/*.xml",)
_LIMITS: Final = ArtifactLimits(file=MIB, total=2 * MIB, count=20)
_SECRET: Final = b"a file of the host"

Fooled = Callable[[Path, Path], str]
"""What a naive reader was led to do, given the folder it unpacked into and the one beside; empty if nothing."""


def _program(name: str) -> str:
    return (data_dir("sandbox") / "probes" / f"{name}.py").read_text()


@contextmanager
def _archive(bench: Bench, what: str) -> Iterator[tuple[bytes, Path, Path]]:
    """The archive as it left the container, a folder to unpack into, and the one beside it with a secret in it."""
    with Scratch() as scratch:
        into, beside = scratch.path / "into", scratch.path / "beside"
        into.mkdir()
        beside.mkdir()
        (beside / "secret").write_bytes(_SECRET)
        args = json.dumps({"what": what, "beside": str(beside)})
        argv = (bench.image.python, "-I", "-B", "-c", _program("archive"), args)
        yield run_batch(bench.engine, bench.spec(argv), b"").stdout, into, beside


def _ours(what: str, most: int = 0) -> Act:
    """Blocked when at most `most` plain files come out, each refusal in words."""

    def act(bench: Bench) -> Outcome:
        with _archive(bench, what) as (data, _, _):
            reader = ArtifactReader(_ALLOWED, _LIMITS)
            found = [*reader.feed(data), *reader.end()]
        taken = [each for each in found if isinstance(each, Artifact)]
        refused = [f"{each.name}: {each.why}" for each in found if not isinstance(each, Artifact)]
        if len(taken) > most:
            return Fired(detail=f"{len(taken)} files were taken: {visible_line(taken[-1].path, 80)}")
        if not refused:
            return Unclear(detail="the archive was empty")
        return Blocked(detail=f"refused {refused[0]}")

    return act


def _naive(what: str, fooled: Fooled) -> Act:
    """Python's own `extractall` without a filter, into a folder of our own."""

    def act(bench: Bench) -> Outcome:
        with _archive(bench, what) as (data, into, beside):
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                # New Pythons filter by default, older ones cannot: the control is the naive reader in both.
                archive.extraction_filter = lambda member, _path: member
                archive.errorlevel = 0  # a device needs root, the rest does not
                archive.extractall(into)  # noqa: S202 - the point of the control, in a folder made for it
            said = fooled(into, beside)
        return Fired(detail=said) if said else Blocked(detail="unpacking did no harm")

    return act


def _reads_secret(into: Path, _: Path) -> str:
    path = into / "report" / "a.xml"
    return "the unpacked report is a file of the host" if path.is_file() and path.read_bytes() == _SECRET else ""


def _planted(_: Path, beside: Path) -> str:
    return "a file was written outside of the folder" if (beside / "planted").exists() else ""


def _special(into: Path, _: Path) -> str:
    kinds = [stat.filemode(path.lstat().st_mode)[0] for path in sorted((into / "report").iterdir())]
    return f"special files were made: {' '.join(kinds)}" if "p" in kinds else ""


def _bomb(into: Path, _: Path) -> str:
    size = (into / "report" / "bomb.xml").stat().st_size
    return f"two kilobytes became a file of {size // MIB} MiB" if size >= 64 * MIB else ""


def _steering(into: Path, _: Path) -> str:
    names = [path.name for path in (into / "report").iterdir()]
    return "a name on the disk holds an escape sequence" if any("\x1b" in name for name in names) else ""


def _replaced(into: Path, _: Path) -> str:
    return "the second took the first one's place" if (into / "report" / "a.xml").read_bytes() == b"second" else ""


def _many(into: Path, _: Path) -> str:
    count = len(list((into / "report").iterdir()))
    return f"{count} files were made" if count > _LIMITS.count else ""


def _unlisted(into: Path, _: Path) -> str:
    return "a file that nobody asked for was made" if (into / "elsewhere" / "a.py").exists() else ""


def _judged(bench: Bench) -> Outcome:
    """The forging session under our supervisor, heard by the host's listener."""
    word = secrets.token_hex(16).encode()
    header = {"role": "tests", "tests": ["tests"], "root": "/work", "timeout": 15.0}
    with bench.engine.start(bench.spec(guest_argv(bench.image))) as session:
        session.send(stream(header, {"tests/test_a.py": _program("forge").encode()}))
        if not isinstance(session.read_line(15.0), Line):
            return Unclear(detail="the supervisor did not start")
        session.send(word + b"\n")
        listener, heard = Listener(word), 0
        while isinstance(reading := session.read_line(15.0), Line):
            listener.hear(reading.data)
            heard += word in reading.data
        session.finish()
    if not heard:
        return Unclear(detail="the supervisor said nothing")
    report = listener.report()
    if report.problems or set(report.outcomes) != {"passed"}:
        return Blocked(detail=f"no pass: {'; '.join(report.problems) or 'no test was reported as passed'}")
    return Fired(detail="the forged session counted as a pass")


def _believed(*signs: bytes) -> Act:
    """A harness that goes by the exit status and, if there are `signs`, by words on stdout."""

    def act(bench: Bench) -> Outcome:
        argv = (bench.image.python, "-I", "-B", "-c", _program("forge"))
        done = run_batch(bench.engine, bench.spec(argv), b"")
        if done.state.exit_code == 0 and all(sign in done.stdout for sign in signs):
            return Fired(detail="exit status 0" + (" and a whole report on stdout" if signs else "") + ": a pass")
        return Blocked(detail=f"exit status {done.state.exit_code}, without a report")

    return act


def _probe(name: str, tries: str, naive: Fooled, most: int = 0) -> Probe:
    return Probe(
        id=f"artifacts.{name}",
        group="artifacts",
        threat="artifacts",
        tries=tries,
        control_is="the same archive unpacked with tarfile's extractall into a scratch folder",
        attack=_ours(name, most),
        control=_naive(name, naive),
    )


PROBES: Final[tuple[Probe, ...]] = (
    _probe("symlink", "bring out a symbolic link to a file of the host", _reads_secret),
    _probe("hardlink", "bring out a hard link to a file of the host", _reads_secret),
    _probe("climbing", "write outside of the folder by a name with `..`", _planted),
    _probe("absolute", "write anywhere by an absolute name", _planted),
    _probe("special", "bring out a pipe and a device", _special),
    _probe("names", "bring out a name that holds an escape sequence", _steering),
    _probe("duplicates", "replace a file by one of the same name, or of one that differs in case", _replaced, most=1),
    _probe("unlisted", "bring out a file that is not on the allow-list", _unlisted),
    _probe("bomb", "make a large file of a small sparse entry", _bomb),
    _probe("flood", "bring out more files than allowed", _many, most=_LIMITS.count),
    Probe(
        id="artifacts.swap",
        group="artifacts",
        threat="artifacts",
        tries="put a link in a file's place after it was looked at and before it is opened",
        control_is="a copy that looks first and opens by name afterwards, in the same container",
        attack=in_guest("swap", {"naive": False}),
        control=in_guest("swap", {"naive": True}),
    ),
    Probe(
        id="artifacts.forged_result",
        group="artifacts",
        threat="artifacts",
        tries="write a passing report to a result file and to every stream but the reporter's own pipe",
        control_is="the same program without our supervisor, judged by exit status and words on stdout",
        attack=_judged,
        control=_believed(b'"outcome": "passed"', b'"status": 0'),
    ),
    Probe(
        id="artifacts.exit_marker",
        group="artifacts",
        threat="artifacts",
        tries="end the test process with exit status 0 before any test ran",
        control_is="the same program without our supervisor, judged by exit status",
        attack=_judged,
        control=_believed(),
    ),
)
