"""Runs a base-owned benchmark script on one arm and reads the rows it prints; compares nothing.

The script imports the arm's source, so what it prints is within that source's reach: a number from here is
a claim under the sandbox's limits, not a proof. A `time` metric that the script does not print is the
container's own wall time, read by the host. What a cost is without trust in the candidate, a [[bench]] says.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from harness.container import Engine, run_batch, stream
from harness.records import Arm, Record, TrialRecord
from harness.trial.inputs import JUDGE, TrialInputs, clean, parse_object, trial_record
from harness.trial.limits import limits_hit

WHOLE: Final = "(whole run)"
_MOST_ROWS: Final = 100_000


class Rows(Record):
    """One run of one arm: value by metric, task and seed; `outside` are costs that the host read, by kind of metric.

    `said` are the digests of what a benchmark's candidate was asked and answered, where its costs were read.
    """

    values: Mapping[str, Mapping[str, Mapping[str, float]]]
    outside: Mapping[str, float] = {}
    said: tuple[tuple[str, str], ...] = ()
    trial: TrialRecord | None = None
    blobs: tuple[bytes, ...] = ()


class NoRows(Record):
    """The run gave nothing usable, and why."""

    why: str
    trial: TrialRecord | None = None
    blobs: tuple[bytes, ...] = ()


class Script(Record):
    """A base-owned script by its path; with `suite`, a suite of that kind, asked for the kinds of the named metrics."""

    path: str
    suite: str | None = None
    metrics: Mapping[str, str] = {}

    def header(self, roots: tuple[str, ...]) -> dict[str, Any]:
        """How the guest is asked to run it."""
        path = f"{JUDGE}/{self.path}"
        if self.suite is None:
            return {"role": "script", "path": path, "roots": list(roots)}
        metrics = dict(self.metrics)
        return {"role": "suite", "path": path, "roots": list(roots), "suite": self.suite, "metrics": metrics}


def run_script(
    engine: Engine, inputs: TrialInputs, script: Script, arm: Arm, files: Mapping[str, bytes]
) -> Rows | NoRows:
    """One run in a fresh container; a script that fails, is cut off or repeats a row gives no rows."""
    spec = inputs.spec(inputs.judge, "metric")
    header = script.header(inputs.roots())
    finished = run_batch(engine, spec, stream(header, files))
    trial, blobs = trial_record(arm, "metric", spec, finished), (finished.stdout, finished.stderr)
    state = finished.state
    trouble = ", ".join(limits_hit(state, spec.profile.limits))
    if trouble or state.exit_code != 0:
        return NoRows(why=trouble or f"exit status {state.exit_code}", trial=trial, blobs=blobs)
    values = read_rows(finished.stdout)
    if isinstance(values, str):
        return NoRows(why=values, trial=trial, blobs=blobs)
    return Rows(values=values, outside={"time": state.seconds}, trial=trial, blobs=blobs)


def read_rows(stdout: bytes) -> dict[str, dict[str, dict[str, float]]] | str:
    """The metric rows among the lines of a run, or the sentence that says what is wrong with them."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    count = 0
    for line in stdout.splitlines():
        row = parse_object(line) if line.startswith(b"{") else None
        if row is None or "metric" not in row:
            continue
        count += 1
        metric, task, seed = (clean(str(row.get(key, ""))) for key in ("metric", "task", "seed"))
        value = _number(row.get("value"))
        seeds = found.setdefault(metric, {}).setdefault(task, {})
        if value is None or seed in seeds or count > _MOST_ROWS:
            return f"a row of {metric[:80]} has no number, or comes twice"
        seeds[seed] = value
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    return None
