"""Source is parsed by several threads, one text at a time."""

import ast
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.patch.syntax import PARSING, literal, parsed
from harness.patch.twins import Twin, twin_of
from harness.trial.replay.literals import literals

SOURCE = Path(ast.__file__).read_text()
TEST = "def test_it():\n    assert 1 + 1 == 2\n"


@pytest.fixture
def collector_runs_code() -> Iterator[None]:
    """What Hypothesis does as well: a callback in Python, during which another thread may go on."""

    def yielding(*_: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(yielding)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(yielding)


@pytest.mark.usefixtures("collector_runs_code")
def test_threads_do_not_meet_in_the_parser() -> None:
    def all_ways(_: int) -> None:
        assert parsed(SOURCE).body
        assert isinstance(twin_of(TEST), Twin)
        assert literals([SOURCE.encode()], [b"x = 7"]).fresh

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(all_ways, number) for number in range(12)]:
            done.result()


def test_nothing_is_parsed_by_whom_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries parse as well: libcst does, for the value of a literal."""
    free: list[object] = []
    real = compile

    def watched(source: object, *args: object, **kwargs: object) -> object:
        if not PARSING.locked():
            free.append(source)
        return real(source, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.compile", watched)
    for value in ("1", "0x1F", "1_000", "2.5", "'a'", "b'a'", "-3", "[1]", "{1: 2}"):
        assert isinstance(twin_of(f"def test_it():\n    assert made() == {value}\n"), Twin)
    assert literals([SOURCE.encode()], [b"x = 7"]).fresh
    assert literal("0x1F") == 31
    assert free == []


@pytest.mark.parametrize("text", ["(", "x = '\x00'", "(" * 10_000])
def test_what_is_no_source_has_no_tree(text: str) -> None:
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)):
        parsed(text)
