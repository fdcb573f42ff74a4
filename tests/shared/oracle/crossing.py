"""Tests of the candidate as its own project would have them; they pass natively, and have to through the oracle."""
# ruff: noqa: B018, E501, E731, F401, F403, F405, RUF059, UP017 -- written as other people write their tests

import asyncio
import collections
import copy
import datetime
import decimal
import enum
import fractions
import inspect
import itertools
import logging
import math
import operator
import pathlib
import pickle
import random
import re
import types
import uuid
from unittest import mock

import candidate
import candidate as c
import pytest
from candidate import *
from candidate import Account as Renamed
from candidate import CandidateError, Colour, Money, Pair, Point, Rank, Size

VALUES = [
    None, True, 0, -1, 2**53, -(2**200), 1.5, -0.0, math.inf, 1e308, 2 + 3j, "", "é", "\ud800\udc00", "a\ud800",
    b"\0\xff", bytearray(b"x"), ..., NotImplemented, (), (1, (2, [3])), [], [None], {}, {1: 2, "a": 3, (1, 2): [4]},
    set(), {1, 2}, frozenset({1, 2}), range(2, 9, 3), slice(1, None, 2), decimal.Decimal("1.10"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 3), datetime.date(2020, 2, 29), datetime.time(1, 2, 3, 4), datetime.timedelta(-1, 5, 6),
    datetime.datetime(2020, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5.5), "X"), fold=1),
    datetime.timezone.utc, uuid.UUID(int=7), pathlib.PurePosixPath("a/b"), pathlib.Path("c"), re.compile("a+", re.I),
    collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1, 2], 3),
    collections.defaultdict(list, a=[1]), types.SimpleNamespace(a=1), int, ValueError, len, math.sqrt, str.upper,
    operator.add, list[int], int | None,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values(value):
    back = c.same(value)
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_order_of_mappings():
    assert list(c.same({"b": 1, "a": 2})) == ["b", "a"]


def test_defaults_and_keywords():
    assert add(1) == 3
    assert c.add(1, c=4) == 7
    assert c.add(a=1, b=1) == 2
    with pytest.raises(TypeError, match="unexpected"):
        c.add(1, d=2)


def test_module():
    assert candidate.LIMIT == LIMIT == 10
    assert c.TABLE == {"a": [1, 2]}
    assert "Account" in candidate.__all__
    assert candidate.__name__ == "candidate"
    assert "kind" in candidate.__doc__
    assert "add" in dir(c)
    assert not hasattr(c, "nothing")
    with pytest.raises(ImportError):
        from candidate import nothing


def test_function():
    assert str(inspect.signature(c.add)) == "(a, b=2, *, c=0)"
    assert c.add.__name__ == "add"
    assert c.add.__doc__ == "Adds."
    assert c.add is add


def test_class():
    account = Account("me", start=3)
    assert isinstance(account, Account)
    assert not isinstance(account, Money)
    assert not isinstance(3, Account)
    assert type(account) is Renamed
    assert issubclass(c.DeepError, ValueError)
    assert account.pay(2, times=2) is account
    assert account.double == 14
    assert account.log == [2]
    assert Account.kind == account.kind == "plain"
    assert isinstance(Account.of("you"), Account)
    assert account.rate() == Account.rate() == 0.5
    assert Account.pay(account, 1).total == 8
    account.owner = "other"
    assert account.owner == "other"
    assert Account.__doc__ == "An account."
    assert vars(account)["total"] == 8


def test_subclass_in_a_test():
    class Mine(Account):
        def __init__(self, owner):
            super().__init__(owner, start=1)
            self.extra = 5

        def hook(self):
            return "mine, not " + super().hook()

    mine = Mine("me")
    assert isinstance(mine, Mine)
    assert isinstance(mine, Account)
    assert mine.extra == 5
    assert mine.double == 2
    assert mine.call_hook() == "mine, not base"


def test_exceptions():
    with pytest.raises(CandidateError) as caught:
        c.fail("E1", "text")
    assert caught.type is CandidateError
    assert caught.value.code == "E1"
    assert caught.value.args == ("E1", "text")
    with pytest.raises(ValueError, match="deep 7"):
        c.fail_deep()
    with pytest.raises(CandidateError) as caught:
        c.chained()
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ZeroDivisionError):
        c.apply(operator.truediv, 1, 0)
    with pytest.raises(KeyError):
        c.Bag()["x"]
    error = CandidateError(1)
    with pytest.raises(CandidateError) as caught:
        raise error
    assert caught.value is error


def test_exception_of_a_callback_comes_back():
    class Own(Exception):
        pass

    mine = Own("x")

    def throws():
        raise mine

    with pytest.raises(Own) as caught:
        c.apply(throws)
    assert caught.value is mine


def test_callbacks():
    order = []

    def nested(depth):
        order.append(depth)
        return depth if depth == 0 else c.apply(nested, depth - 1)

    assert c.apply(nested, 4) == 0
    assert order == [4, 3, 2, 1, 0]
    assert c.apply(lambda *a, k=1, **kw: (a, k, kw), 1, k=2, z=3) == ((1,), 2, {"z": 3})
    function = lambda: 1
    assert c.same(function) is function
    assert c.apply("abc".upper) == "ABC"


def test_objects_of_the_tests():
    class Thing:
        size = 3

        def __len__(self):
            return self.size

        def __iter__(self):
            return iter([1, 2])

        def grow(self):
            self.size += 1
            return self

    thing = Thing()
    assert c.same(thing) is thing
    assert c.apply(len, thing) == 3
    assert c.apply(Thing.grow, thing) is thing
    assert c.firsts(thing, 2) == [1, 2]


def test_arguments_by_reference():
    mine = [1]
    assert c.append(mine, 2) is None
    assert mine == [1, 2]
    keeper = c.Keeper(mine)
    keeper.put(3)
    assert mine == [1, 2, 3]
    mine.append(10)
    assert keeper.total() == 16
    assert keeper.share() is mine
    keeper.data.append(1)
    assert keeper.total() == 17
    assert c.same(mine) is mine
    loop = []
    loop.append(loop)
    assert c.same(loop) is loop


def test_iterators():
    assert list(itertools.islice(c.count(5), 3)) == [5, 6, 7]
    assert c.firsts(itertools.count(), 3) == [0, 1, 2]
    source = iter(range(10))
    assert c.firsts(source, 3) == [0, 1, 2]
    assert next(source) == 3
    assert list(c.mapped(lambda x: x * 2, (n for n in range(4)))) == [0, 2, 4, 6]
    assert sorted(c.mapped(str, [2, 1])) == ["1", "2"]
    lazy = []
    mapped = c.mapped(lazy.append, [1, 2, 3])
    next(mapped)
    assert lazy == [1]
    assert sum(itertools.islice(c.count(), 1000)) == 499500


def test_generators():
    generator = c.echo()
    assert next(generator) == "ready"
    assert generator.send(1) == ("got", 1)
    assert generator.throw(KeyError("k")) == ("got", "caught k")
    generator.close()
    with pytest.raises(StopIteration):
        next(generator)
    assert inspect.isgenerator(generator)


def test_context_managers():
    log = []
    with c.managed(log) as inner:
        assert inner is log
        assert log == ["in"]
    assert log == ["in", "out"]
    with pytest.raises(ZeroDivisionError), c.managed(log):
        1 / 0
    with c.Suppressor():
        c.fail(1)


def test_async():
    async def both():
        return await asyncio.gather(c.slow(1), c.slow(2))

    async def seven():
        await asyncio.sleep(0)
        return 7

    async def loop():
        return [value async for value in c.ticks(3)]

    assert asyncio.run(c.slow(4)) == 8
    assert asyncio.run(both()) == [2, 4]
    assert asyncio.run(loop()) == [0, 1, 2]
    assert asyncio.run(c.awaited(seven)) == 8


def test_operators():
    two, three = Money(2), Money(3)
    assert two == Money(2)
    assert two != three
    assert two < three
    assert two + three == Money(5)
    assert 1 + two == Money(3)
    assert sum([two, three]) == Money(5)
    assert not Money(0)
    assert f"{two}|{two:>}|{two!r}" == "2|>2|Money(2)"
    assert [0, 1, 2, 3][two] == 2
    assert two(1, k=2) == ((1,), {"k": 2})
    assert float(two) == 2.0
    assert len({two, Money(2)}) == 1
    assert sorted([three, two]) == [two, three]
    assert {two: 1}[Money(2)] == 1
    with pytest.raises(TypeError):
        two * 3


def test_mapping():
    bag = c.Bag(a=1, b=2)
    assert isinstance(bag, collections.abc.Mapping)
    assert dict(bag) == {"a": 1, "b": 2}
    assert "a" in bag
    assert len(bag) == 2
    assert bag.get("z", 9) == 9
    assert sorted(bag.keys()) == ["a", "b"]


def test_records():
    assert Point(1, 2) == Point(1, 2, "note")
    assert Point(1) != Point(2)
    assert Point(1) != (1, 0)
    assert repr(Point(1)) == "Point(x=1, y=0, note='')"
    assert Rank(1) < Rank(2)
    assert len({Rank(1), Rank(1)}) == 1
    pair = Pair(1, [2])
    assert pair == (1, [2])
    assert pair.left == 1
    left, right = pair
    assert right == [2]
    match Point(3, 4):
        case Point(x=3, y=found):
            assert found == 4


def test_enums():
    assert c.same(Colour.RED) is Colour.RED
    assert Colour.RED != Colour.BLUE
    assert Colour(2) is Colour.BLUE
    assert Colour["RED"].value == 1
    assert [member.name for member in Colour] == ["RED", "BLUE"]
    assert len(Colour) == 2
    assert Size.LARGE == 5
    assert {Size.SMALL: "s"}[1] == "s"
    assert isinstance(Colour.RED, Colour)


def test_copies():
    keeper = c.Keeper([1])
    other = copy.deepcopy(keeper)
    other.put(2)
    assert keeper.total() == 1
    assert copy.copy(keeper).data == [1]
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_monkeypatch(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(candidate, "helper", lambda: "patched")
        patch.setattr(Account, "hook", lambda self: f"patched {self.owner}")
        assert c.uses_helper() == "patched"
        assert Account("me").call_hook() == "patched me"
        patch.setenv("SOME_HOME", "there")
        assert c.home() == "there"
    assert c.uses_helper() == "real"
    assert Account("me").call_hook() == "base"
    assert c.home() is None


def test_what_it_says(capsys, caplog):
    with pytest.warns(DeprecationWarning, match="old"), caplog.at_level(logging.WARNING):
        c.speak()
    assert capsys.readouterr().out == "hello\n"
    assert "logged 3" in caplog.text


def test_what_it_says_below_python_and_as_levels_tell(capfd, caplog, recwarn):
    assert c.whisper() == ["kept"]
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, logger="candidate"):
        c.whisper()
    assert [record.getMessage() for record in caplog.records] == ["detail 7"]
    c.whisper()
    assert len(caplog.records) == 1
    assert not recwarn.list
    assert capfd.readouterr() == ("below python\n" * 3, "aside\n" * 3)


def test_cached_function():
    calls = []
    cached = c.remember(lambda n: calls.append(n) or n)
    assert (cached(1), cached(1)) == (1, 1)
    assert calls == [1]
    assert cached.cache_info().hits == 1


def test_enum_of_the_tests():
    class Mode(enum.Enum):
        ON = 1

    assert c.same(Mode.ON) is Mode.ON


def test_iterators_of_tests_are_no_copies():
    assert c.pairs(itertools.accumulate([1, 2, 3])) == [(1, 3), (3, 6)]
    assert c.pairs(zip("ab", "cd", strict=True)) == [(("a", "c"), ("b", "d"))]


def test_chance_begins_anew():
    random.seed(7)
    assert c.draw() == random.Random(7).random()
    random.seed("other")
    assert c.draw() == random.Random("other").random()


def test_operators_are_put_back(monkeypatch):
    assert Money(2) + Money(3) == Money(5)
    with monkeypatch.context() as patch:
        patch.setattr(Money, "__add__", lambda self, other: "patched")
        patch.setattr(Money, "__eq__", lambda self, other: True)
        assert Money(2) + Money(3) == "patched"
        assert c.same(Money(2)) == Money(3)
    assert Money(2) + Money(3) == Money(5)
    assert c.same(Money(2)) != Money(3)


def test_an_object_is_made_without_its_init():
    account = Account.__new__(Account)
    account.owner = "ana"
    assert c.same(account) is account
    assert account.owner == "ana"


@pytest.mark.parametrize("colour", [Colour.RED])
def test_members_are_members_for_pytest(colour, request):
    assert isinstance(colour, enum.Enum)
    assert isinstance(colour, Colour)
    assert request.node.name.endswith("[Colour.RED]")


def test_threads_of_the_candidate_take_turns():
    def give(put):
        for number in range(3):
            put(number)
        return "done"

    assert c.relayed(give) == ([0, 1, 2], "done")


def test_names_of_a_module():
    names = vars(c).copy()
    assert names["LIMIT"] == c.LIMIT
    assert names["add"] is c.add
    assert c.apply(dict, vars(c))["add"] is c.add
    assert c.apply(sorted, vars(c)) == sorted(names)


def test_a_function_without_a_signature():
    def odd(*values):
        return values

    assert c.takes_more(odd)
    assert not c.takes_more(lambda one, two=2: one)

    def odder(*values):
        return odd(*values)

    odder.__signature__ = "none"
    with pytest.raises(TypeError):
        c.takes_more(odder)


def test_objects_of_the_tests_are_hashed_as_they_say():
    class Key:
        def __init__(self, number):
            self.number = number

        def __eq__(self, other):
            return self.number == other.number

        def __hash__(self):
            return hash(self.number)

    assert c.distinct([Key(1), Key(2), Key(1)]) == 2
    assert c.distinct([object(), object()]) == 2

    class Level(enum.IntEnum):
        LOW, HIGH = 1, 2

    assert c.distinct([Level.LOW, Level.HIGH, Level.LOW]) == 2


def test_what_is_called_may_bear_another_module_than_its_class():
    made = c.Curried(pathlib.PurePath)
    assert made.__module__ == "pathlib"
    made.__module__ = "elsewhere"
    assert (made.__module__, c.Curried.__module__, made("x").name) == ("elsewhere", "candidate", "x")

    class Likes:
        def __init__(self):
            self.__module__ = "elsewhere"

        def __call__(self):
            return None

    assert c.module_of(Likes()) == "elsewhere"


def test_errors_bring_what_is_in_no_argument():
    def load(name):
        raise ModuleNotFoundError(name=name)

    assert c.missing_name(load) == "x"
    with pytest.raises(FileNotFoundError) as caught:
        c.size_of("/no/such/file")
    assert caught.value.filename == "/no/such/file"


def test_an_error_class_has_the_text_of_its_base():
    with pytest.raises(c.MissingError, match=r"^'extra'$"):
        c.misses()


def test_the_state_of_an_object():
    stored = c.Stored("text")
    assert stored.__getstate__() == "text"
    assert pickle.loads(pickle.dumps(stored)).text == "text"


def test_an_object_that_was_made_without_its_class():
    class Bare:
        def __init__(self, cls, state):
            self.parts = object.__new__, (cls,), state

        def __reduce__(self):
            return self.parts

    stored = pickle.loads(pickle.dumps(Bare(c.Stored, "text")))
    assert stored.text == "text"
    assert type(stored) is c.Stored
    assert c.one_stored(stored, stored)
    assert pickle.loads(pickle.dumps(stored)).text == "text"


def test_a_module_has_names_that_all_modules_have():
    assert vars(c)["__lt__"](1, 2) == "less"
    assert c.__package__ == ""


def test_a_module_found_in_a_module_can_be_patched():
    for answer in (1, 2):
        with mock.patch("candidate.random.random", return_value=answer):
            assert c.draw() == answer
    assert c.draw() < 1
