"""Messages as a hostile worker would write them: the oracle refuses each in words, and no test passes by one."""

import contextlib
import importlib
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
from oracle_pair import GUEST, Seen, session

CANDIDATE = "def number():\n    return 5\n"
REPLIES: dict[str, Any] = {
    "an object": {"v": {"a": 1}},
    "no tag": {"v": []},
    "unknown tag": {"v": ["zz", 1]},
    "forged handle": {"v": ["y", 999]},
    "own handle as theirs": {"v": ["h", 999]},
    "raised a number": {"x": 5},
    "raised a class": {"x": ["g", "builtins", "ValueError"]},
    "exception without class": {"x": ["E", 1, ["g", "builtins", "int"], [], [], None, []]},
    "skips": {"x": ["E", 1, ["g", "unittest.case", "SkipTest"], ["x"], [], None, []]},
    "refused name": {"v": ["g", "os", "system"]},
    "refused builtin": {"v": ["g", "builtins", "eval"]},
    "private name": {"v": ["g", "operator", "__class__"]},
    "pytest's own": {"x": ["E", 1, ["g", "_pytest.outcomes", "Skipped"], ["x"], [], None, []]},
    "forged container": {"v": ["l", 1, 5]},
    "unknown container": {"v": ["@", 77]},
    "changes what it never had": {"v": 6, "y": [[1, ["l", 1, 5]]]},
    "sync is nonsense": {"v": 5, "y": 7},
    "drops are nonsense": {"v": 5, "d": [[]]},
    "odd mapping": {"v": ["d", 0, 1]},
    "unhashable key": {"v": ["d", 0, ["l", 0], 1]},
    "bad base64": {"v": ["b", "%"]},
    "bad hex": {"v": ["i", "xyz"]},
    "long number": {"v": ["i", "f" * 500_000]},
    "bad float": {"v": ["x", "5"]},
    "bad date": {"v": ["v", "date", "2020-99-99"]},
    "zone outside": {"v": ["v", "ZoneInfo", "../../etc/passwd"]},
    "bad pattern": {"v": ["v", "Pattern", "(", 0]},
    "unknown value": {"v": ["v", "eval", "1"]},
    "private attrgetter": {"v": ["v", "attrgetter", "__globals__"]},
    "member of nothing": {"v": ["v", "member", ["g", "builtins", "int"], 1]},
    "class from nothing": {"v": ["c", 1, "A", "m", "A", [5], [], ""]},
    "class with slots": {"v": ["o", 5, ["c", 1, "A", "m", "A", [], [["__slots__", "v"], ["__class__", "v"]], ""]]},
    "deep": {"v": None},
    "module out of scope": {"v": ["m", "os"]},
    "no reply": {},
    "surrogate": {"v": ["s", "zz"]},
}
LINES = {
    "no JSON": b"\xff\xfe\n",
    "NaN": b'{"r":%d,"v":NaN}\n',
    "a list": b"[]\n",
    "wrong id": b'{"r":99,"v":5}\n',
    "id is text": b'{"r":"1","v":5}\n',
    "request out of order": b'{"q":7,"op":"call","a":[]}\n',
    "unknown operation": b'{"q":1,"op":"eval","a":[["y",1]]}\n',
    "nested": b'{"r":%d,"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "empty": b"\n",
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The hostile replies one after the other from one worker, then lines that end a session, a session each."""
    replies, lines = iter(REPLIES), iter(LINES)

    def meddle(file: str, line: bytes) -> bytes:
        frame = json.loads(line)
        if frame.get("v") != 5:
            return line
        if file != "test_it.py":
            return LINES[next(lines)].replace(b"%d", str(frame["r"]).encode())
        reply = REPLIES.get(next(replies, ""), {"v": 5})
        if "v" in reply and reply["v"] is None:
            reply = {"v": 5}
            for _ in range(500):
                reply = {"v": ["t", reply["v"]]}
        return json.dumps({"r": frame["r"], **reply}).encode() + b"\n"

    call = "import candidate\ndef test_{}(): assert candidate.number() == 5\n"
    tests = {"test_it.py": "".join(call.format(number) for number in range(len(REPLIES) + 1))}
    tests |= {f"test_{number}.py": call.format("it") for number in range(len(LINES))}
    return session(tmp_path_factory.mktemp("wire"), CANDIDATE, tests, meddle)


@pytest.mark.parametrize(("number", "name"), list(enumerate(REPLIES)))
def test_hostile_reply(seen: Seen, number: int, name: str) -> None:
    assert seen.outcomes[f"test_{number}"] in ("failed", "skipped"), name


@pytest.mark.parametrize(("number", "name"), list(enumerate(LINES)))
def test_hostile_line(seen: Seen, number: int, name: str) -> None:
    assert seen.outcomes[f"test_{number}.py::test_it"] == "failed", name


def test_the_oracle_survives_them_all(seen: Seen) -> None:
    assert seen.ended
    assert "INTERNALERROR" not in seen.printed
    assert seen.outcomes[f"test_{len(REPLIES)}"] == "passed"


@pytest.fixture(scope="module")
def guest() -> Iterator[types.ModuleType]:
    package = types.ModuleType("holdpoint_guest")
    package.__path__ = [str(GUEST)]
    sys.modules["holdpoint_guest"] = package
    yield importlib.import_module("holdpoint_guest.peer")
    for name in [name for name in sys.modules if name.partition(".")[0] == "holdpoint_guest"]:
        del sys.modules[name]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.datetimes(timezones=st.timezones() | st.none())
    | st.timedeltas()
    | st.uuids(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLAIN)
def test_values_come_back_exactly(guest: Any, value: Any) -> None:
    ours, theirs = (guest.Peer(None, None, first) for first in (1, 2))
    line = guest.dumps({"v": ours.enc(value)})
    back = theirs.dec(guest.loads(line)["v"])
    assert repr(back) == repr(value)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(st.none() | st.integers() | st.text() | st.sampled_from([*"xsbjentFlSdONPDqB@r/vgmcfoEhy"]), st.lists)
)
def test_any_nonsense_is_a_fault_or_data(guest: Any, item: Any) -> None:
    peer = guest.Peer(None, None, 1)
    with contextlib.suppress(guest.Fault):
        assert json.dumps(peer.enc(peer.understood({}, item)))
