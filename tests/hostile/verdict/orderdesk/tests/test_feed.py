import asyncio
import itertools

import pytest

from orderdesk import Averager, collect, quotes, windows


def test_windows():
    assert list(windows("abcdef", 2)) == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert list(windows(range(5), 2)) == [[0, 1], [2, 3], [4]]


def test_windows_are_lazy():
    assert list(itertools.islice(windows(itertools.count(), 3), 2)) == [[0, 1, 2], [3, 4, 5]]


def test_windows_size():
    with pytest.raises(ValueError):
        next(windows([], 0))


def test_averager():
    averager = Averager()
    feed = averager.feed()
    assert next(feed) is None
    assert [feed.send(value) for value in (2, 4, 9)] == [2, 3, 5]
    feed.close()
    assert averager.closed
    assert averager.count == 3


def test_quotes():
    async def read():
        return [item async for item in quotes([5, 7, 4])]

    assert asyncio.run(read()) == [(5, 0), (7, 2), (4, -3)]


def test_collect():
    found = asyncio.run(collect(quotes([1, 2]), quotes([5, 9, 9]), limit=2))
    assert found == [[(1, 0), (2, 1)], [(5, 0), (9, 4)]]
