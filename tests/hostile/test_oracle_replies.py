"""What a worker may not say to the oracle: each kind of hostile reply ends that worker; none passes, hangs or crashes.

The checker is driven as what it is, a state machine; a few kinds go through real containers at the end.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.repo import matches
from harness.target import SandboxSection, TargetConfig, TargetSection
from harness.text import steering
from harness.trial.crossing import SAFE, Breach
from harness.trial.floor import LONGEST_LINE, MOST_OPEN, Floor, parsed
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.oracle import Order, Served, run_oracle
from harness.trial.shipping import shipment
from harness.trial.workshop import Workshop

Frame = dict[str, Any]
CLASS = ["c", 1, "Point", "pkg", "Point", [["g", "builtins", "object"]], [["x", "p"]], ""]
SKIPPED = ["c", 1, "Skipped", "_pytest.outcomes", "Skipped", [], [], ""]
ERROR = ["E", 2, ["g", "builtins", "ValueError"], ["no"], [], None, []]


def line(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def asked(**more: Any) -> Floor:
    """A floor on which the oracle waits for the reply to its request 1, about a list that it shares (1)."""
    floor = Floor()
    callback = ["f", 1, "key", "tests.test_a", "key", None, [["x", 1, False, None]]]
    floor.from_oracle({"q": 1, "op": "call", "a": [["m", "pkg"], callback, ["l", 1, 3, 4]], **more})
    return floor


def test_honest_replies_are_let_through() -> None:
    floor = asked()
    floor.from_worker(line({"q": 1, "op": "call", "a": [["y", 1], 5], "k": [["x", ["t", 1.5, None]]]}))
    floor.from_oracle({"r": 1, "v": ["h", 1]} | {"v": True})
    floor.from_worker(
        line(
            {
                "r": 1,
                "v": ["t", ["o", 4, CLASS], ["o", 5, ["h", 1]], ["@", 1], ["l", 2, ["@", 2]], ["v", "Decimal", "1.5"]],
                "y": [[1, ["l", 1, 4, 3]]],
                "d": [1],
                "p": [[1, "text"], [2, "\x1b[31m"]],
                "w": [[["g", "builtins", "UserWarning"], "careful"]],
                "g": [["pkg", 30, "log"]],
                "i": ["pkg"],
            }
        )
    )
    floor.from_oracle({"q": 2, "op": "get", "a": [["y", 4], "x"], "d": [5], "D": [1, 2]})
    floor.from_worker(line({"r": 2, "x": ERROR}))
    assert floor.turn == "oracle"
    assert floor.waiting is None


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = ["t", value]
    return value


def raising(module: str, name: str) -> Callable[[], bytes]:
    return lambda: line({"r": 1, "x": ["E", 1, ["g", module, name], *ERROR[3:]]})


def request(op: str, *arguments: Any, **more: Any) -> Callable[[], bytes]:
    return lambda: line({"q": 1, "op": op, "a": list(arguments), **more})


def reply(value: Any, **more: Any) -> Callable[[], bytes]:
    return lambda: line({"r": 1, "v": value, **more})


# kind of breach, what the worker sends while request 1 of the oracle is open
ONE_LINE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nested a little too deep": ("size", reply(deep(150))),
    "nested beyond any parser": ("json", lambda: b'{"r":1,"v":' + b'["t",' * 100_000 + b"1" + b"]" * 100_000 + b"}"),
    "a line of nine megabytes": ("size", lambda: line({"r": 1, "v": "x" * (LONGEST_LINE + 1)})),
    "a million parts": ("size", reply(["t", *[1] * 1_000_001])),
    "NaN": ("json", lambda: b'{"r":1,"v":NaN}'),
    "Infinity": ("json", lambda: b'{"r":1,"v":-Infinity}'),
    "a float that overflows": ("number", lambda: b'{"r":1,"v":1e999}'),
    "an unknown float": ("number", reply(["x", "nan(7)"])),
    "a float of ten thousand digits": ("json", lambda: b'{"r":1,"v":' + b"9" * 10_000 + b"}"),
    "a plain huge integer": ("number", reply(SAFE)),
    "a huge integer that is none": ("shape", reply(["i", "0x1f"])),
    "an integer of many digits": ("shape", reply(["i", "f" * 400_001])),
    "true for an id": ("id", lambda: line({"r": True, "v": 1})),
    "1.0 for an id": ("id", lambda: line({"r": 1.0, "v": 1})),
    "text for an id": ("id", lambda: line({"r": "1", "v": 1})),
    "another id": ("id", lambda: line({"r": 2, "v": 1})),
    "id zero": ("id", lambda: line({"r": 0, "v": 1})),
    "a key twice": ("json", lambda: b'{"r":1,"v":false,"v":true}'),
    "an id twice": ("json", lambda: b'{"r":2,"r":1,"v":true}'),
    "two results": ("shape", lambda: line({"r": 1, "v": 1, "x": ERROR})),
    "no result": ("shape", lambda: line({"r": 1})),
    "an unknown key": ("shape", reply(1, verdict="passed")),
    "an event of the oracle": ("shape", lambda: line({"e": "phase", "n": 0, "when": "call", "outcome": "passed"})),
    "a reply that is also a request": ("shape", lambda: line({"q": 1, "r": 1, "op": "call", "a": [["y", 1]], "v": 1})),
    "a list for a message": ("json", lambda: line([{"r": 1, "v": 1}])),
    "no JSON": ("json", lambda: b"ok"),
    "an empty line": ("json", lambda: b""),
    "half a message": ("json", lambda: b'{"r":1,"v":[1,'),
    "not UTF-8": ("bytes", lambda: b'{"r":1,"v":"\xff\xfe"}'),
    "UTF-8 beyond ASCII": ("bytes", '{"r":1,"v":"é"}'.encode),
    "escape bytes": ("bytes", lambda: b'{"r":1,"v":"\x1b]0;title\x07"}'),
    "a null byte": ("bytes", lambda: b'{"r":1,"v":1}\x00'),
    "a carriage return": ("bytes", lambda: b'{"r":1,"v":1}\r'),
    "a value that is an object": ("shape", reply({"__class__": "int"})),
    "an empty array": ("shape", reply([])),
    "a tag that is no text": ("shape", reply([1, 2])),
    "an unknown tag": ("tag", reply(["pickle", "gASV"])),
    "an unknown type of value": ("tag", reply(["v", "Popen", "id"])),
    "the oracle's own tag": ("tag", reply(["v", "raw", ["h", 1], "x"])),
    "a name with a path in it": ("shape", reply(["g", "os/../sys", "exit"])),
    "a handle that was never given out": ("handle", reply(["h", 7])),
    "a handle of the oracle that does not exist": ("handle", reply(["y", 2])),
    "true for a handle": ("handle", reply(["y", True])),
    "a negative handle": ("handle", reply(["o", -1, ["g", "builtins", "object"]])),
    "two classes under one handle": ("handle", reply(["t", CLASS, CLASS])),
    "an object under a class's handle": ("handle", reply(["t", CLASS, ["o", 1, ["h", 1]]])),
    "a class from the test runner": ("exception", reply(SKIPPED)),
    "an exception that skips": ("exception", raising("unittest.case", "SkipTest")),
    "an exception that interrupts": ("exception", raising("builtins", "KeyboardInterrupt")),
    "an exception from the test runner": ("exception", raising("_pytest.outcomes", "Exit")),
    "a value for an exception": ("exception", lambda: line({"r": 1, "x": "ValueError"})),
    "an exception without parts": ("exception", lambda: line({"r": 1, "x": ["E", 1, ["g", "builtins", "ValueError"]]})),
    "a cause that is none": ("exception", lambda: line({"r": 1, "x": [*ERROR[:5], ["t"], []]})),
    "a container of the oracle described anew": ("handle", reply(["l", 1, 9])),
    "a container with the oracle's kind of number": ("handle", reply(["l", 3, 9])),
    "a container again that was not shared": ("handle", reply(["@", 8])),
    "an update of what is not shared": ("handle", reply(1, y=[[8, ["l", 8]]])),
    "an update to another type": ("handle", reply(1, y=[[1, ["S", 1, 3]]])),
    "an update under another number": ("handle", reply(1, y=[[1, ["l", 3, 3]]])),
    "a release of what it does not hold": ("handle", reply(1, d=[5])),
    "a release twice": ("handle", reply(1, d=[1, 1])),
    "the end of a sharing that is none": ("handle", reply(1, D=[4])),
    "a mapping with a key too many": ("shape", reply(["d", 2, "a", 1, "b"])),
    "base64 that is none": ("shape", reply(["b", "\n\n"])),
    "a fault that is no sentence": ("shape", lambda: line({"r": 1, "f": ["sorry"]})),
    "printed text by the megabyte": ("size", reply(1, p=[[1, "x" * 70_000]])),
    "text on a third stream": ("shape", reply(1, p=[[3, "x"]])),
    "text on stream true": ("shape", reply(1, p=[[True, "x"]])),
    "a log record of another kind": ("shape", reply(1, g=[["pkg", "30", "x"]])),
    "a warning that is no class": ("tag", reply(1, w=[[["Z", "UserWarning"], "x"]])),
    "changed modules that are numbers": ("shape", reply(1, i=[1])),
    "a request out of order": ("id", lambda: line({"q": 2, "op": "call", "a": [["y", 1]]})),
    "a callback to a handle that does not exist": ("handle", request("call", ["y", 2])),
    "a callback to its own object": ("handle", request("call", ["m", "pkg"])),
    "a request for nothing": ("operation", request("call")),
    "an import in the oracle": ("operation", request("import", "os")),
    "unpickling in the oracle": ("operation", request("unpickle", ["b", "gASV"])),
    "globals of a test's function": ("operation", request("get", ["y", 1], "__globals__")),
    "subclasses of a test's class": ("operation", request("m", ["y", 1], "__subclasses__")),
    "an attribute whose name is no text": ("operation", request("get", ["y", 1], 3)),
    "a keyword twice": ("shape", request("call", ["y", 1], k=[["a", 1], ["a", 2]])),
    "an environment for the oracle": ("shape", request("call", ["y", 1], env=[["PATH", "/"]])),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_LINE)
def test_one_hostile_line_is_a_breach(name: str) -> None:
    kind, make = ONE_LINE[name]
    with pytest.raises(Breach) as caught:
        asked().from_worker(make())
    assert caught.value.kind == kind, str(caught.value)
    assert steering(str(caught.value)) == ()


def test_a_message_that_nobody_asked_for() -> None:
    for first in ([], [{"r": 1, "v": None}]):
        floor = asked() if first else Floor()
        for frame in first:
            floor.from_worker(line(frame))
        with pytest.raises(Breach, match="nobody asked"):
            floor.from_worker(line({"r": 2, "v": None}))


def test_a_handle_is_not_used_again_after_its_release() -> None:
    floor = asked()
    floor.from_worker(line({"r": 1, "v": ["o", 4, CLASS]}))
    floor.from_oracle({"q": 2, "op": "call", "a": [["m", "pkg"]], "d": [4]})
    with pytest.raises(Breach, match="twice"):
        floor.from_worker(line({"r": 2, "v": ["o", 4, ["h", 1]]}))


def test_a_callback_after_its_function_was_released() -> None:
    floor = asked()
    floor.from_worker(line({"r": 1, "v": None, "d": [1]}))
    floor.from_oracle({"q": 2, "op": "call", "a": [["m", "pkg"]]})
    with pytest.raises(Breach, match="not in use"):
        floor.from_worker(line({"q": 1, "op": "call", "a": [["y", 1]]}))


def test_callbacks_nested_without_end() -> None:
    floor, number = asked(), 0

    def nested() -> None:
        floor.from_worker(line({"q": number, "op": "call", "a": [["y", 1]]}))
        floor.from_oracle({"q": number + 1, "op": "call", "a": [["m", "pkg"]]})

    for number in range(1, MOST_OPEN // 2 + 1):  # noqa: B007 - read by `nested`
        nested()
    number += 1
    with pytest.raises(Breach, match="nested too deep"):
        nested()


@pytest.mark.parametrize("limit", ["MOST_LINES", "MOST_BYTES"])
def test_callbacks_one_after_another_without_end(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"harness.trial.floor.{limit}", 500)
    floor = asked()

    def endless() -> None:
        for number in range(1, 1000):
            floor.from_worker(line({"q": number, "op": "call", "a": [["y", 1]]}))
            floor.from_oracle({"r": number, "v": 1})

    with pytest.raises(Breach, match="too many"):
        endless()


def test_who_waits_for_a_lost_worker_is_answered_once_each() -> None:
    floor = asked()
    floor.from_worker(line({"q": 1, "op": "call", "a": [["y", 1]]}))
    floor.from_oracle({"q": 2, "op": "call", "a": [["m", "pkg"]]})
    assert (floor.waiting, floor.abandon()) == (2, 2)
    assert floor.abandon() == 1
    assert floor.abandon() is None


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
KEYS = st.sampled_from(["q", "r", "op", "a", "k", "v", "x", "f", "y", "d", "D", "i", "p", "w", "g"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.builds(lambda tag, rest: [tag, *rest], st.sampled_from("ixsbBjentFlSdONPDq@r/vgmcfoEhy"), st.lists(inner)),
        st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, ANYTHING))
@settings(max_examples=400, deadline=None)
def test_no_json_crashes_the_checker(frame: Frame) -> None:
    floor = asked()
    try:
        floor.from_worker(json.dumps(frame | {"r": 1}).encode())
    except Breach as breach:
        assert steering(str(breach)) == ()  # noqa: PT017 - most lines are breaches, a few are in order
    else:
        assert floor.turn == "oracle"


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    try:
        assert isinstance(parsed(data), dict)
    except Breach as breach:
        assert breach.kind in ("bytes", "json")  # noqa: PT017 - as above


# Through real containers: candidate code that has found the pipe, or plays with time.
CALC = "def halve(number):\n    return 7\n"
TESTS = "import calc\n\ndef test_a():\n    assert calc.halve(4) == 2\n\ndef test_b():\n    assert calc.halve(2) == 1\n"
PIPES = """
import os, stat, time

def pipes():
    for fd in range(1, 40):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                yield fd
        except OSError:
            continue

def put(data):
    for fd in pipes():
        try:
            os.write(fd, data)
        except OSError:
            continue

HALF = b'{"r":1,'
FORGED = b"".join(b'{"r":%d,"v":2}' % n + bytes([10]) for n in range(1, 50))
"""
FILES = ("tests/test_calc.py",)
# name: what the candidate does when it is imported, and the kind of the first alarm where there is only one
TRICKS = {
    "floods the pipe": ("while True:\n    put(b'x' * 65536)\n", "size"),
    "drips": ("while True:\n    put(b' ')\n    time.sleep(0.2)\n", "time"),
    "closes the pipe in the middle": ("put(HALF)\nfor fd in pipes():\n    os.close(fd)\ntime.sleep(60)\n", "time"),
    "answers ahead": ("put(FORGED)\n", ""),
    "answers from a second process": (
        "if os.fork() == 0:\n    while True:\n        put(FORGED)\n        time.sleep(0.01)\n",
        "",
    ),
    "writes escape bytes": ("put(bytes([27]) + b']0;owned' + bytes([7, 10]))\n", "bytes"),
    "sleeps": ("time.sleep(600)\n", "time"),
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    files = {"calc.py": CALC.encode(), "tests/test_calc.py": TESTS.encode()}
    source = ("calc.py",)
    with Engine.connect() as engine:
        image = ensure_sandbox_image(engine, print)
        kept = {"tests/test_calc.py": TESTS.encode()}
        inputs = TrialInputs(
            base_commit="base",
            merge_commit="base",
            config=TargetConfig(
                target=TargetSection(source=source, tests=("tests",)), sandbox=SandboxSection(timeout=4.0)
            ),
            image=image,
            judge=judge_image(engine, image, kept, scope_links(source)),
            run_id="hostile-oracle",
            read=lambda _, patterns: {path: data for path, data in files.items() if matches(path, patterns)},
            arch=engine.info.arch,
        )
        with Workshop(engine, inputs, shipment(inputs)) as made:
            yield made


@pytest.mark.engine
@pytest.mark.parametrize("name", TRICKS)
def test_a_hostile_worker_gets_no_pass_and_holds_nobody_up(shop: Workshop, name: str) -> None:
    trick, kind = TRICKS[name]
    run = run_oracle(shop, Served("candidate", {"calc.py": (PIPES + trick + CALC).encode()}), Order(FILES, 1))
    assert not [test for test, (outcome, _) in run.outcomes.items() if outcome == "passed"]
    assert run.seconds < shop.total + 10
    assert run.alarms, run.problems
    assert all(alarm.kind.startswith("worker: ") and steering(alarm.detail) == () for alarm in run.alarms)
    assert not kind or run.alarms[0].kind == f"worker: {kind}"
    assert run.blobs[0].isascii()


@pytest.mark.engine
def test_the_same_tests_pass_through_the_oracle_when_they_should(shop: Workshop) -> None:
    right = {"calc.py": CALC.replace("7", "number // 2").encode()}
    run = run_oracle(shop, Served("candidate", right), Order(FILES, 1))
    assert [outcome for outcome, _ in run.outcomes.values()] == ["passed", "passed"]
    assert (run.alarms, run.problems) == ((), ())
