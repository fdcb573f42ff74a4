"""What the oracle lane costs over plain pytest in a container, suite by suite, in one run; prints, decides nothing.

A suite is a folder with a holdpoint.toml, or `FOLDER:SOURCE,…:TESTS,…[:LOCK]`, all on this machine; nothing is fetched.
`oracle_ratio` is the median time of the suite through the oracle over that of the same suite in one container, in
alternating runs, containers started ahead on both sides. The floor is what the messages alone would cost: exchanges
times two round trips through the engine's stream (oracle to host and back, host to worker and back).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.container import Engine, Line, Session, ensure_sandbox_image, judge_image, stream
from harness.repo import matches
from harness.target import CONFIG_NAME, SandboxSection, TargetConfig, TargetSection, parse_config
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.lanes import ask_oracle, judge_lanes, oracle_base
from harness.trial.shipping import shipment
from harness.trial.tests import run_tests, unusable
from harness.trial.workshop import Workshop

BUILT_IN = Path(__file__).resolve().parent.parent / "examples" / "tinker"
ECHO = b"import sys\nfor line in sys.stdin.buffer:\n    sys.stdout.buffer.write(line)\n    sys.stdout.buffer.flush()\n"
TIMEOUT = 300.0


def suite_of(text: str) -> tuple[Path, TargetConfig]:
    """A suite's folder and its configuration, with time enough to be measured on a busy machine."""
    folder, *parts = text.split(":")
    root = Path(folder).resolve()
    if parts:
        source, tests, *lock = [tuple(part.split(",")) for part in parts]
        target = TargetSection(source=source, tests=tests, requirements=lock[0][0] if lock else None)
        return root, TargetConfig(target=target, sandbox=SandboxSection(timeout=TIMEOUT))
    config = parse_config((root / CONFIG_NAME).read_text())
    return root, config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"timeout": TIMEOUT})})


def inputs_of(engine: Engine, root: Path, config: TargetConfig) -> TrialInputs:
    """The folder as it lies there, as base and as candidate."""
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".git" not in path.parts
    }
    source, lock = config.target.source, config.target.requirements
    image = ensure_sandbox_image(engine, tell, files[lock] if lock else None)
    outside = {path: data for path, data in files.items() if not matches(path, source)}

    def read(_: str, patterns: tuple[str, ...]) -> Mapping[str, bytes]:
        return {path: data for path, data in files.items() if matches(path, patterns)}

    return TrialInputs(
        base_commit="base",
        merge_commit="base",
        config=config,
        image=image,
        judge=judge_image(engine, image, outside, scope_links(source)),
        run_id="benchmark",
        read=read,
        arch=engine.info.arch,
    )


def round_trip(engine: Engine, inputs: TrialInputs, count: int) -> float:
    """Seconds from the host to a guest that echoes and back: the median over `count` short lines."""
    with engine.start(inputs.spec(inputs.image, "script")) as session:
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


def measured(engine: Engine, text: str, runs: int) -> dict[str, Any]:
    """One suite's figures."""
    root, config = suite_of(text)
    inputs = inputs_of(engine, root, config)
    native = run_tests(engine, inputs, "baseline")
    if unusable(native):
        tell(f"{root.name}: {unusable(native)} (measured all the same)")
    plain, ours, seen = [], [], None
    with Workshop(engine, inputs, shipment(inputs)) as shop:
        base = oracle_base(shop, inputs, native)
        if base.why:
            return {"suite": root.name, "tests": len(native.report.ids), "verified": 0, "why": base.why}
        for _ in range(runs):
            plain.append(run_tests(engine, inputs, "candidate").trial.state.seconds)
            seen = ask_oracle(shop, inputs, base)
            ours.append(seen.seconds)
    assert seen is not None
    hop = round_trip(engine, inputs, 2000)
    return {
        "suite": root.name,
        "tests": len(native.report.ids),
        "verified": judge_lanes(native, base, seen, native)[0].verified,
        "plain_s": round(statistics.median(plain), 3),
        "oracle_s": round(statistics.median(ours), 3),
        "oracle_ratio": round(statistics.median(ours) / statistics.median(plain), 2),
        "calls": seen.lines // 2,
        "bytes": seen.bytes_,
        "round_trip_us": round(1e6 * hop),
        "floor_s": round(seen.lines / 2 * 2 * hop, 3),
    }


def tell(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=[str(BUILT_IN)], help="FOLDER, or FOLDER:SOURCE,…:TESTS,…[:LOCK]")
    parser.add_argument("--quick", action="store_true", help="one run of each instead of three")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    with Engine.connect() as engine:
        rows = [measured(engine, text, 1 if options.quick else 3) for text in options.suites]
    ratios = {row["suite"]: row["oracle_ratio"] for row in rows if "oracle_ratio" in row}
    if options.json:
        document = {"schema": "holdpoint/benchmark-integrity/1", "quick": options.quick, "oracle_ratio": ratios}
        print(json.dumps(document | {"suites": rows}))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
