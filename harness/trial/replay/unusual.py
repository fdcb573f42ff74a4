"""Values that nobody chose: drawn by Hypothesis and the ones that programs tend to get wrong; in the pipe's JSON form.

Pure for a seed; the seed is secret until a trial is over.
"""

import base64
import datetime
from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from harness.patch.syntax import PARSING
from harness.trial.replay.literals import Literals

_DRAWN: Final = 40  # of each kind
_SAFE: Final = 2**53
_LONG: Final = 3000

_INTS: Final = (0, 1, -1, 2, 7, 10, 59, 60, 99, 100, 365, 999, 1000, 1001, 25_000, 10**6, 2**31, 2**32, 2**63, -(2**31))
_FLOATS: Final = (0.0, -0.0, 0.1, 0.5, -1.5, 1e-9, 1e16, 1e300, float("nan"), float("inf"), float("-inf"))
_TEXTS: Final = (
    "", " ", "a", "A", "0", "-1", "\n", "\x00", "%s", "é", "ß", "İ", "東京", "٣", "²", "e\u0301", "\u202e", "😀",
    "None", "1e5", "1,000.50", "2000-02-29", "1999-12-31", "2100-03-01", "x" * _LONG, "ab " * (_LONG // 3),
)  # fmt: skip
_DATES: Final = ("0001-01-01", "1970-01-01", "1999-12-31", "2000-02-29", "2033-05-18", "2038-01-20", "2100-03-01",
                 "2199-07-04", "9999-12-31")  # fmt: skip
_TIMES: Final = ("00:00:00", "02:30:00", "12:00:00", "23:59:59.999999")
_STRATEGIES: Final[Mapping[str, Callable[[], st.SearchStrategy[Any]]]] = {
    "int": st.integers,
    "small": lambda: st.integers(-200, 5000),
    "float": lambda: st.floats(width=64),
    "str": lambda: st.text(max_size=30),
    "word": lambda: st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_ .,", min_size=1, max_size=12),
    "bytes": lambda: st.binary(max_size=30),
    "date": st.dates,
    "delta": lambda: st.timedeltas(datetime.timedelta(-40_000), datetime.timedelta(40_000)),
}


def wired(value: Any) -> Any:
    """A plain Python value in the form that crosses."""
    match value:
        case None | bool():
            return value
        case int():
            return value if -_SAFE < value < _SAFE else ["i", f"{value:x}"]
        case float():
            return value if value - value == 0 else ["x", repr(value)]
        case str():
            return value
        case bytes():
            return ["b", base64.b64encode(value).decode()]
        case datetime.date():
            return ["v", "date", value.isoformat()]
        case datetime.timedelta():
            return ["v", "timedelta", value.days, value.seconds, value.microseconds]
    raise TypeError(f"{type(value).__name__} has no form here")


def pools(secret: int, known: Literals) -> dict[str, tuple[Any, ...]]:
    """Values by kind. Literals stand before the rest, for whoever prefers them: see `literal:int` and so on."""
    drawn = _drawn(secret)
    found: dict[str, tuple[Any, ...]] = {
        "int": (*_INTS, *drawn["int"], *drawn["small"]),
        "float": (*_FLOATS, *drawn["float"]),
        "str": (*_TEXTS, *drawn["str"], *drawn["word"]),
        "bytes": (b"", b"\x00", b"\xff\xfe", b"a" * _LONG, *drawn["bytes"]),
        "literal:int": known.ints,
        "literal:float": known.floats,
        "literal:str": known.texts,
    }
    ready = {kind: tuple(wired(value) for value in values) for kind, values in found.items()}
    dates = (*(["v", "date", text] for text in _DATES), *map(wired, drawn["date"]))
    ready["v:date"] = dates
    ready["v:timedelta"] = tuple(map(wired, drawn["delta"]))
    ready["v:datetime"] = tuple(["v", "datetime", f"{day[2]}T{time}", None, 0] for day in dates for time in _TIMES)
    ready["v:time"] = tuple(["v", "time", time, None, 0] for time in _TIMES)
    ready["v:Decimal"] = tuple(["v", "Decimal", text] for text in ("0", "-0", "1E+30", "NaN", "-Infinity", "0.005"))
    ready["v:Fraction"] = (["v", "Fraction", 0, 1], ["v", "Fraction", -7, 3], ["v", "Fraction", 1, 10**9])
    return ready


def _drawn(secret: int) -> dict[str, tuple[Any, ...]]:
    with PARSING:  # drawing has one global state, and parses too
        return {name: _some(make(), secret) for name, make in _STRATEGIES.items()}


def _some(strategy: st.SearchStrategy[Any], secret: int) -> tuple[Any, ...]:
    """Different values of a strategy, in the order in which Hypothesis comes to them."""
    found: dict[str, Any] = {}

    @seed(secret)
    @settings(
        max_examples=_DRAWN,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found[repr(value)] = value

    draw()
    return tuple(found.values())
