"""Oracle and worker as plain processes, with the shortest relay between them; no containers, nothing is checked."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GUEST = Path(__file__).parents[2] / "sandbox" / "guest"
START = """
import importlib.util, json, os, sys
line = b""
while not line.endswith(b"\\n"):
    line += os.read(0, 1)
header = json.loads(line)
spec = importlib.util.spec_from_file_location("entry", sys.argv[1] + "/entry.py")
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
sys.path.extend(header["roots"])
os.chdir(header["root"])
sys.exit(entry.part(sys.argv[2]).main(header))
"""
Frame = dict[str, Any]


class End:
    """One of the two processes."""

    def __init__(self, role: str, header: Frame) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", START, str(GUEST), role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self.process.stdout
        self.lines = self.process.stdout
        self.send(json.dumps(header).encode() + b"\n")

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(line)
        except BrokenPipeError:
            return

    def line(self) -> bytes:
        data = b""
        while not data.endswith(b"\n"):
            more = self.lines.readline()
            if not more:
                return b""
            data += more
        return data

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


def short(name: str) -> str:
    """The test's name, after its file's where that says which case it is."""
    file, _, test = name.partition("::")
    return test if file == "test_it.py" else f"{file}::{test}"


@dataclass
class Seen:
    """What the oracle reported, over all sessions."""

    outcomes: dict[str, str] = field(default_factory=dict)
    tallies: dict[str, Counter[str]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    frames: list[tuple[str, Frame]] = field(default_factory=list)
    ended: bool = False
    file: str = ""

    def hear(self, event: Frame, ids: list[str]) -> None:
        match event:
            case {"e": "collected", "ids": new}:
                ids += new
            case {"e": "phase", "n": number, "when": when, "outcome": outcome}:
                name = short(ids[number])
                if outcome == "failed" or (when == "call" and name not in self.outcomes):
                    self.outcomes[name] = outcome
            case {"e": "tally", "n": number, "t": counts}:
                name = short(ids[number]) if number >= 0 else f"{self.file}::"
                self.tallies.setdefault(name, Counter()).update(counts)
            case {"e": "log", "id": name, "text": text}:
                self.logs[short(name)] = text
            case {"e": "output", "text": text}:
                self.printed += text
            case {"e": "end"}:
                self.ended = True


def session(
    folder: Path,
    candidate: str | dict[str, str],
    tests: dict[str, str],
    meddle: Callable[[str, bytes], bytes] = lambda _, line: line,
    **more: Any,
) -> Seen:
    """Runs the tests; a candidate for all files or one for each; `meddle(file, line)` may replace a worker's words."""
    ours, common = folder / "judge", {"v": 1, "packages": ["candidate"]}
    ours.mkdir()
    (ours / "pytest.ini").write_text("[pytest]\n")
    workers = {}
    for name, text in tests.items():
        (ours / name).write_text(text)
        place = folder / f"work_{name}"
        place.mkdir()
        (place / "candidate.py").write_text(candidate if isinstance(candidate, str) else candidate[name])
        workers[name] = common | {"root": str(place), "roots": [str(place)]}
    header = common | {"files": list(tests), "tests": list(tests), "root": str(ours), "roots": []} | more
    return relay(header, workers, meddle)


def relay(ours: Frame, workers: dict[str, Frame], meddle: Callable[[str, bytes], bytes]) -> Seen:
    """Passes lines between the two until the oracle ends."""
    seen, ids, oracle, worker, file = Seen(), list[str](), End("oracle", ours), None, ""
    while line := oracle.line():
        frame = json.loads(line)
        if "fresh" in frame:
            ids, file = [], frame["file"]
            seen.file = file
            if worker:
                worker.close()
            worker = End("worker", workers[file])
            assert json.loads(worker.line()) == {"ready": 1}
            oracle.send(json.dumps({"fresh": frame["fresh"]}).encode() + b"\n")
        elif "e" in frame:
            seen.hear(frame, ids)
        else:
            assert worker
            seen.frames.append(("oracle", frame))
            worker.send(line)
            answer = worker.line() or b'{"r":%d,"f":"the worker is gone"}\n' % frame.get("q", 0)
            seen.frames.append(("worker", {"line": answer}))
            oracle.send(meddle(file, answer))
    oracle.close()
    if worker:
        worker.close()
    return seen


def shapes(folder: Path, candidate: str) -> Any:
    """The base's classes as the worker describes them."""
    folder.mkdir(exist_ok=True)
    (folder / "candidate.py").write_text(candidate)
    worker = End("worker", {"v": 1, "packages": ["candidate"], "root": str(folder), "roots": [str(folder)]})
    worker.line()
    worker.send(b'{"q":1,"op":"shapes","a":[["t","candidate"]]}\n')
    reply = json.loads(worker.line())
    worker.close()
    return reply["v"]
