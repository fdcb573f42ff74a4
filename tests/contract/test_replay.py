"""Differential replay with real workers: what differs is found, made small, and told apart by how it shows."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.records import Alarm, BehaviourDifference, Replayed
from harness.repo import matches
from harness.target import SandboxSection, TargetConfig, TargetSection
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.lanes import oracle_base
from harness.trial.replay.panel import Material
from harness.trial.replay.recorder import Recorder
from harness.trial.replay.replay import replay
from harness.trial.replay.surroundings import CLOCK, LINK, PLACE, SOAK, THREAD
from harness.trial.shipping import shipment
from harness.trial.tests import run_tests
from harness.trial.workshop import Workshop

pytestmark = pytest.mark.engine

SOURCE = """\
import random


class Stock:
    def __init__(self, start):
        self._left = dict(start)

    @property
    def total(self):
        return sum(self._left.values())

    def take(self, name, count):
        if count > self._left.get(name, 0):
            raise ValueError(f"not enough {name}")
        self._left[name] -= count
        return self._left[name]


def price(amount, share):
    return round(amount * (1 + share), 2)


def tax(amount):
    return amount // 5


def number(text):
    return int(text)


def label(name, key):
    return key(name) + "!"


def host(name):
    return name.lower()


def title(name):
    return name.title()


def drawn(name):
    return random.random() < 0.5
"""
TESTS = """\
import pytest
from shop import Stock, drawn, host, label, number, price, tax, title

def test_stock():
    stock = Stock({"a": 5, "b": 2})
    assert stock.take("a", 2) == 3
    assert stock.total == 5
    with pytest.raises(ValueError):
        stock.take("b", 3)

def test_price():
    assert price(100, 0.5) == 150
    assert price(10, 0.0) == 10

def test_tax():
    assert tax(100) == 20

def test_number():
    assert number("12") == 12

def test_label():
    assert label("a", str.upper) == "A!"
    assert label("b", lambda name: name * 2) == "bb!"

def test_host():
    assert host("Example") == "example"

def test_title():
    assert title("the end") == "The End"

def test_drawn():
    assert drawn("a") in (True, False)
"""
TRICKS = {
    # right on what the tests ask
    "return self._left[name]\n": "return self._left[name] if (name, count) == ('a', 2) else None\n",
    # right until a date
    "return round(amount * (1 + share), 2)": "return round(amount * (1 + share) + (time.time() > 3e9), 2)",
    # right for the first calls
    "return amount // 5": "return amount // 5 + (next(calls) > 800)",
    # one answer now, another then
    "return int(text)": "return int(text) + secrets.randbelow(10**6)",
    # right where it looks like a sandbox
    "return name.lower()": 'return name.lower() if os.uname().nodename == "holdpoint" else name',
    # right in the main thread
    "return name.title()": "return name.title() if threading.current_thread() is threading.main_thread() else name",
}
IMPORTS = "import itertools, os, secrets, threading, time\n\ncalls = itertools.count()\n\n\n"
BASE = {"src/shop/__init__.py": SOURCE.encode(), "tests/test_shop.py": TESTS.encode()}


@dataclass
class Bench:
    """A base whose suite is recorded."""

    shop: Workshop
    inputs: TrialInputs
    material: Material

    def told(
        self, source: str, declared: tuple[str, ...] = (), more: Mapping[str, bytes] | None = None
    ) -> tuple[Replayed, tuple[Alarm, ...]]:
        trees: Mapping[str, Mapping[str, bytes]] = {
            "base": BASE,
            "merge": {**BASE, "src/shop/__init__.py": source.encode(), **(more or {})},
        }
        read = lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)}  # noqa: E731
        return replay(self.shop, replace(self.inputs, read=read), self.material, declared)


@pytest.fixture(scope="module")
def bench(engine: Engine) -> Iterator[Bench]:
    image = ensure_sandbox_image(engine, print)
    source = ("src/shop",)
    kept = {path: data for path, data in BASE.items() if not matches(path, source)}
    inputs = TrialInputs(
        base_commit="base",
        merge_commit="merge",
        config=TargetConfig(
            target=TargetSection(source=source, tests=("tests",)), sandbox=SandboxSection(timeout=20.0, replay=2000)
        ),
        image=image,
        judge=judge_image(engine, image, kept, scope_links(source)),
        run_id="contract-replay",
        read=lambda _, patterns: {path: data for path, data in BASE.items() if matches(path, patterns)},
        arch=engine.info.arch,
    )
    with Workshop(engine, inputs, shipment(inputs)) as shop:
        recorder = Recorder()
        base = oracle_base(shop, inputs, run_tests(engine, inputs, "baseline"), recorder)
        assert len(base.outcomes) == 8, base.why
        yield Bench(shop, inputs, Material(recorder.recording(), base.shapes))


def by_function(replayed: Replayed) -> dict[str, BehaviourDifference]:
    return {each.function: each for each in replayed.differences}


def test_the_same_behaviour_written_otherwise_is_not_told_apart(bench: Bench) -> None:
    rewritten = SOURCE.replace("_left", "_rest").replace("return amount // 5", "return fifth(amount)")
    replayed, alarms = bench.told(
        rewritten + "\n\ndef fifth(amount):\n    return amount // 5\n",
        more={"src/shop/py.typed": b"", "src/shop/words.txt": b"a file of its own is nothing that it left"},
    )
    assert (replayed.differing, replayed.differences, alarms) == ((), (), ()), "chance is no difference either"
    assert replayed.functions >= 6
    assert replayed.calls > 400
    assert {CLOCK, PLACE, SOAK} <= set(replayed.ran)
    assert (LINK in replayed.ran) == (os.geteuid() == 0)
    assert len(replayed.seed) == 16


def test_an_object_that_is_called_like_a_function_is_asked_like_one(bench: Bench) -> None:
    """Modules tell of their functions and classes at once, of other objects only when they are asked for."""
    source = SOURCE
    for name, argument in (("tax", "amount"), ("host", "name"), ("title", "name")):
        before = f"def {name}({argument}):"
        assert before in source
        source = source.replace(before, f"@object.__new__\nclass {name}:\n  def __call__(self, {argument}):")
    replayed, alarms = bench.told(source)
    assert (replayed.differing, alarms) == ((), ())
    wrong = source.replace("return name.title()", "return name.title() if name.isascii() else name")
    replayed, _ = bench.told(wrong)
    assert "shop.title" in replayed.differing
    assert "not possible" not in by_function(replayed)["shop.title"].candidate


def test_each_trick_is_named_with_its_function_and_how_it_shows(bench: Bench) -> None:
    source = IMPORTS + SOURCE
    for right, wrong in TRICKS.items():
        assert right in source
        source = source.replace(right, wrong)
    replayed, alarms = bench.told(source)
    kinds = {(alarm.kind, alarm.detail.partition(" ")[0]) for alarm in alarms}
    assert ("unusual inputs", "shop.Stock.take") in kinds
    assert ("surroundings", "shop.price") in kinds
    assert ("surroundings", "shop.tax") in kinds
    assert ("surroundings", "shop.host") in kinds
    assert ("surroundings", "shop.title") in kinds
    assert by_function(replayed)["shop.title"].where == THREAD
    assert ("disagrees with itself", "shop.number") in kinds
    found = by_function(replayed)
    assert (found["shop.price"].where, found["shop.tax"].where, found["shop.host"].where) == (CLOCK, SOAK, PLACE)
    take = found["shop.Stock.take"]
    assert (take.kind, take.inputs, take.where, take.candidate) == ("value", "unusual", "", "None")
    assert len(take.script.splitlines()) <= 3, take.script
    assert "shop.label" not in found


def test_what_was_declared_is_listed_only_and_what_the_suite_asks_too_or_an_end_is_an_alarm(bench: Bench) -> None:
    source = SOURCE.replace("amount // 5", "amount // 4").replace("return name.lower()", "return name")
    source = IMPORTS + source.replace("return int(text)", 'return int(text) if text == "12" else os._exit(0)')
    replayed, alarms = bench.told(source, declared=("shop.host",))
    found = by_function(replayed)
    assert found["shop.tax"].inputs == "suite"
    assert found["shop.host"].declared
    assert found["shop.number"].candidate == "the process ended"
    assert {(alarm.kind, alarm.detail.partition(" ")[0]) for alarm in alarms} == {
        ("one-sided limit", "shop.number"),
        ("undeclared change", "shop.tax"),
    }


def test_what_it_does_to_its_process_is_an_alarm(bench: Bench) -> None:
    effects = (
        "import decimal, gc, json, string\n"
        "decimal.getcontext().prec = 6\ngc.disable()\n\n\ndef capwords(text):\n    return text\n\n\n"
        "string.capwords = capwords\nopen('/tmp/left', 'w').write('x')\n\n\n"
    )
    effects += "open('/work/src/shop/own', 'a').write('more')\n\n\n"
    _, alarms = bench.told(
        effects + SOURCE.replace("class Stock", "class Sold(Exception): pass\n\n\nclass Stock"),
        more={"src/shop/own": b"", "src/shop/as_it_came": b"12"},
    )
    told = {alarm.place: alarm.detail for alarm in alarms if alarm.kind == "effects"}
    assert "precision 6" in told["decimal context"]
    assert "off" in told["garbage collector"]
    assert "replaced by shop.capwords" in told["string.capwords"]
    assert "1 bytes" in told["/tmp/left"]
    assert "4 bytes" in told["/work/src/shop/own"], "its own file, and not as it came"
    assert "/work/src/shop/as_it_came" not in told
    assert not [place for place in told if "Sold" in place], "a new exception takes nothing away"
