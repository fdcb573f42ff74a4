import pytest

from orderdesk import Cache


def test_put_and_get():
    cache = Cache(2)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b", 7) == 7
    assert (cache.hits, cache.misses) == (1, 1)


def test_least_recent_goes():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert list(cache) == ["a", "c"]


def test_evictions_are_told():
    gone = []
    cache = Cache(2, on_evict=lambda key, value: gone.append((key, value)))
    for key in "abcd":
        cache.put(key, key.upper())
    assert gone == [("a", "A"), ("b", "B")]


def test_age():
    now = [0]
    cache = Cache(5, age=10, clock=lambda: now[0])
    cache.put("a", 1)
    now[0] = 9
    assert "a" in cache
    now[0] = 10
    assert "a" not in cache
    assert cache.get("a") is None
    assert len(cache) == 0


def test_remember():
    calls = []
    cache = Cache(2)

    @cache.remember
    def square(x):
        calls.append(x)
        return x * x

    assert [square(2), square(3), square(2), square(4), square(2)] == [4, 9, 4, 16, 4]
    assert calls == [2, 3, 4]


@pytest.mark.parametrize("arguments", [{"capacity": 0}, {"capacity": 1, "age": 5}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError):
        Cache(**arguments)
