"""The test lane: runs the base's tests on one arm in a container and compares two sessions; the verdict is
elsewhere.

Tests and configuration come from the judge image, only the editable scope from the arm's commit.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from harness.container import (
    Artifact,
    ArtifactLimits,
    ArtifactReader,
    Engine,
    Line,
    Refused,
    Session,
    stream,
)
from harness.records import Arm, Record, TestsResult, TrialRecord
from harness.trial.inputs import TrialInputs, trial_record
from harness.trial.limits import hits_of, limits_hit, stops_of
from harness.trial.report import Listener, Outcome, SessionReport
from harness.trial.shipping import shipment
from harness.trial.verdict import SESSION

_MOST_STDOUT: Final = 64 * 1024 * 1024
_LONGEST_LINE: Final = 1024 * 1024
_RESERVE: Final = 3.0  # seconds between the guest's own deadline and the container's, to report what was running
_NAMED: Final = 20
_ARTIFACTS: Final = ArtifactLimits()


class TestRun(Record):
    """One arm's session with its record and the bytes that the record names (to be stored by the caller)."""

    __test__ = False  # pytest: this is no test class

    report: SessionReport
    trial: TrialRecord
    stdout: bytes
    stderr: bytes
    artifacts: tuple[Artifact, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """What belongs in the evidence store beside the record."""
        return (self.stdout, self.stderr, self.log)

    @property
    def log(self) -> bytes:
        """The session's own output and what was wrong with it, as UTF-8; still hostile text."""
        report = self.report
        problems = "".join(f"holdpoint: {problem}\n" for problem in report.problems)
        return (problems + report.log).encode("utf-8", "replace")

    def named(self, *outcomes: Outcome) -> tuple[str, ...]:
        """The ids with one of these outcomes."""
        report = self.report
        return tuple(name for name, was in zip(report.ids, report.outcomes, strict=True) if was in outcomes)


def run_tests(engine: Engine, inputs: TrialInputs, arm: Arm) -> TestRun:
    """Runs the base's tests on the arm's source in a fresh container; whatever happens there is in the report."""
    return _run(engine, inputs, arm, None)[0]


def record_calls(
    engine: Engine, inputs: TrialInputs, packages: tuple[str, ...], tests: tuple[str, ...]
) -> Mapping[str, Mapping[str, Any]]:
    """What the base's own tests ask of the packages, by id of those named: the base's code alone is trusted with it."""
    return _run(engine, inputs, "baseline", {"packages": list(packages), "tests": list(tests)})[1]


def _run(
    engine: Engine, inputs: TrialInputs, arm: Arm, record: dict[str, list[str]] | None
) -> tuple[TestRun, Mapping[str, Mapping[str, Any]]]:
    files = inputs.read(inputs.commit(arm), inputs.config.target.source)
    spec = inputs.spec(inputs.judge, "tests", warm=("pytest",))
    limit = spec.profile.limits.timeout
    header = {
        "role": "tests",
        "tests": list(inputs.config.target.tests),
        "packages": list(shipment(inputs).packages),
        "roots": list(inputs.roots()),
        "timeout": max(limit / 2, limit - _RESERVE),
        "output": spec.profile.limits.output,
    }
    if record is not None:
        header["record"] = record
    allowed = inputs.config.sandbox.artifacts if arm == "candidate" else ()
    if allowed:
        header["artifacts"] = {"allowed": list(allowed), **_ARTIFACTS.model_dump(include={"file", "total", "count"})}
    with engine.start(spec) as session:
        session.send(stream(header, files))
        word = secrets.token_hex(16).encode()
        listener = Listener(word, stops_of(spec.profile.limits), hits_of(spec.profile), _reader(allowed))
        listener.calls = None if record is None else {}
        heard, problem = bytearray(), ""
        if _ready(session):
            session.send(word + b"\n")
            problem = _listen(session, listener, heard, limit)
        finished = session.kill() if problem else session.finish()
        if finished.stdout:
            listener.hear(finished.stdout)
            heard += finished.stdout
    state = finished.state
    problems = [problem] if problem else []
    problems += limits_hit(state, spec.profile.limits)
    if not problems and state.exit_code != 0:
        problems.append(f"the container ended with exit status {state.exit_code}")
    stdout = bytes(heard)
    brought = listener.brought()
    run = TestRun(
        report=listener.report(tuple(problems)),
        trial=trial_record(arm, "tests", spec, finished, stdout),
        stdout=stdout,
        stderr=finished.stderr,
        artifacts=tuple(found for found in brought if isinstance(found, Artifact)),
        refused=tuple(found for found in brought if isinstance(found, Refused)),
    )
    return run, listener.calls or {}


def unusable(run: TestRun) -> str:
    """Why a baseline session cannot serve as the measure, as one sentence; empty when it can."""
    report = run.report
    if report.problems:
        return f"The tests do not run at the base: {report.problems[0]}."
    bad = run.named("failed", "missing")
    if bad:
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        return f"{len(bad)} tests fail at the base: {', '.join(bad[:_NAMED])}{more}."
    if not run.named("passed"):
        return "No test passes at the base: there is nothing that could judge a change."
    return ""


def judge(baseline: TestRun, candidate: TestRun) -> TestsResult:
    """Every id of the base must come back as it was there; anything else is listed, and then it is not a pass.

    Skips of the base may be skipped or pass. A problem with the session itself is listed among the failed, and so is a
    limit that it reached, unless all is well.
    """
    base, seen = baseline.report, candidate.report
    ended = dict(zip(seen.ids, zip(seen.outcomes, seen.bodies, strict=True), strict=True))
    passed = 0
    failed, missing, skipped = [], [], []
    for name, was, body in zip(base.ids, base.outcomes, base.bodies, strict=True):
        now, ran = ended.pop(name, ("missing", ""))
        if now == "missing":
            missing.append(name)
        elif was == "skipped":
            failed += [name] if now not in ("skipped", "passed") else []
        elif now == was and ran == body:
            passed += was == "passed"
        elif now == "skipped":
            skipped.append(name)
        else:
            failed.append(name)
    failed += ended
    failed += [f"{SESSION}{problem}" for problem in seen.problems]
    if failed or missing or skipped:
        failed += [f"{SESSION}{hit}" for hit in seen.hit if hit not in seen.problems]
    return TestsResult(
        expected=len(baseline.named("passed")),
        passed=passed,
        failed=tuple(failed),
        missing=tuple(missing),
        skipped=tuple(skipped),
    )


def _reader(allowed: tuple[str, ...]) -> ArtifactReader | None:
    return ArtifactReader(allowed, _ARTIFACTS) if allowed else None


def _ready(session: Session) -> bool:
    """Whether the supervisor has forked the child; only then may it learn its word."""
    reading = session.read_line(60.0, _LONGEST_LINE)
    return isinstance(reading, Line) and reading.data == b's {"e": "ready"}'


def _listen(session: Session, listener: Listener, heard: bytearray, limit: float) -> str:
    """Feeds the listener until the stream ends; the sentence says why it was cut off, if it was."""
    until = time.monotonic() + limit + 1
    while True:
        reading = session.read_line(until - time.monotonic(), _LONGEST_LINE)
        if not isinstance(reading, Line):
            return ""
        heard += reading.data + b"\n"
        listener.hear(reading.data)
        if len(heard) > _MOST_STDOUT:
            return "the report is longer than allowed"
