"""What the oracle lane costs over plain pytest in a container, suite by suite, in one run; prints, decides nothing.

A suite is a folder with a holdpoint.toml, an sdist as `suites.py` takes it, `FOLDER:SOURCE,…:TESTS,…[:LOCK]`, or
`busy`, a built-in one whose time is in the candidate's own code; all on this machine, and nothing is fetched.
`oracle_ratio` is the median time of the suite through the oracle over that of the same suite in one container, in
alternating runs, containers started ahead on both sides. The floor is what the messages alone would cost: exchanges
times two round trips (oracle to host and back, host to worker and back), by pipes where the host may open them, else
through the engine's stream.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from suites import Suite, config_of, of_folder, opened, tell
from suites import suite_of as sdist_of

from harness.container import Engine, Line, Session, stream
from harness.target import CONFIG_NAME, TargetConfig, TargetSection, parse_config
from harness.trial.inputs import TrialInputs
from harness.trial.lanes import OracleBase, ask_oracle, oracle_base
from harness.trial.oracle import ask_shapes
from harness.trial.tests import TestRun, run_tests, unusable
from harness.trial.workshop import Workshop

BUILT_IN = Path(__file__).resolve().parent.parent / "examples" / "tinker"
ECHO = b"import sys\nfor line in sys.stdin.buffer:\n    sys.stdout.buffer.write(line)\n    sys.stdout.buffer.flush()\n"
TIMEOUT = 300.0
RUNS = 3
BUSY = Suite(
    "busy",
    {
        "src/busy/__init__.py": b"def total(n):\n    return sum(i * i % 7 for i in range(n))\n",
        "tests/test_busy.py": b"import busy, pytest\n@pytest.mark.parametrize('n', range(10))\n"
        b"def test_total(n):\n    assert busy.total(4_000_000 + n) > 0\n",
    },
)


def suite_of(text: str) -> tuple[Suite, TargetConfig]:
    """A suite's files and its configuration, with time enough to be measured on a busy machine."""
    folder, *parts = text.split(":")
    root = Path(folder).resolve()
    if text == BUSY.name:
        suite, config = BUSY, config_of(BUSY.files)
    elif len(parts) > 1:
        source, tests, *lock = [tuple(part.split(",")) for part in parts]
        suite = Suite(root.name, of_folder(root))
        config = TargetConfig(
            target=TargetSection(source=source, tests=tests, requirements=lock[0][0] if lock else None)
        )
    elif (root / CONFIG_NAME).is_file():
        suite, config = Suite(root.name, of_folder(root)), parse_config((root / CONFIG_NAME).read_text())
    else:
        suite = sdist_of(text)
        config = config_of(suite.files)
    return suite, config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"timeout": TIMEOUT})})


def at_once(shop: Workshop, inputs: TrialInputs, native: TestRun) -> OracleBase:
    """All tests in the oracle lane, without the base's own runs that decide which of them belong there."""
    files = inputs.read(inputs.base_commit, inputs.config.target.source)
    report = native.report
    outcomes = dict(zip(report.ids, zip(report.outcomes, report.bodies, strict=True), strict=True))
    return OracleBase(outcomes=outcomes, shapes=ask_shapes(shop, files))


def round_trip(engine: Engine, inputs: TrialInputs, count: int) -> float:
    """Seconds from the host to a guest that echoes and back: the median over `count` short lines."""
    with engine.start(inputs.spec(inputs.image, "script", talks=True)) as session:
        session.send(stream({"role": "script", "path": "/work/echo.py", "roots": []}, {"echo.py": ECHO}))
        echoed(session)  # the first one waits for the start
        times = [echoed(session) for _ in range(count)]
    return statistics.median(times)


def echoed(session: Session) -> float:
    began = time.perf_counter()
    session.send(b'{"q":1,"op":"call","a":[["m","pkg"],"x"]}\n')
    reading = session.read_line(30.0)
    if not isinstance(reading, Line):
        raise SystemExit("the echo did not answer")
    return time.perf_counter() - began


def measured(engine: Engine, text: str, *, quick: bool) -> dict[str, Any]:
    """One suite's figures."""
    suite, config = suite_of(text)
    plain, ours, seen = [], [], None
    with opened(engine, suite, config) as (inputs, shop):
        native = run_tests(engine, inputs, "baseline")
        tell(f"{suite.name}: {native.trial.state.seconds:.1f} s in one container {unusable(native)}")
        base = at_once(shop, inputs, native) if quick else oracle_base(shop, inputs, native)
        if base.why:
            return {"suite": suite.name, "tests": len(native.report.ids), "verified": 0, "why": base.why}
        for _ in range(1 if quick else RUNS):
            plain.append(run_tests(engine, inputs, "candidate").trial.state.seconds)
            seen = ask_oracle(shop, inputs, base)
            ours.append(seen.seconds)
            tell(f"{suite.name}: {plain[-1]:.1f} s in one container, {ours[-1]:.1f} s through the oracle")
        hop = round_trip(engine, inputs, 2000)
    assert seen is not None
    passed = set(native.named("passed"))
    return {
        "suite": suite.name,
        "tests": len(native.report.ids),
        "verified": sum(name in passed and how == "passed" for name, (how, _) in seen.outcomes.items()),
        "plain_s": round(statistics.median(plain), 3),
        "oracle_s": round(statistics.median(ours), 3),
        "oracle_ratio": round(statistics.median(ours) / statistics.median(plain), 2),
        "calls": seen.lines // 2,
        "bytes": seen.bytes_,
        "round_trip_us": round(1e6 * hop),
        "floor_s": round(seen.lines / 2 * 2 * hop, 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=[str(BUILT_IN), BUSY.name], help="see above")
    parser.add_argument("--quick", action="store_true", help="one run of each, and every test through the oracle")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    with Engine.connect() as engine:
        rows = [measured(engine, text, quick=options.quick) for text in options.suites]
    ratios = {row["suite"]: row["oracle_ratio"] for row in rows if "oracle_ratio" in row}
    if options.json:
        document = {"schema": "holdpoint/benchmark-integrity/1", "quick": options.quick, "oracle_ratio": ratios}
        print(json.dumps(document | {"suites": rows}))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
