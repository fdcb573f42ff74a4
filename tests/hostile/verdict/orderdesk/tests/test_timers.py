import pytest

from orderdesk import Closed, Timers


def test_in_order_of_time():
    timers = Timers()
    timers.at(5, lambda: "later")
    timers.at(2, lambda: "sooner")
    assert timers.run(4) == ["sooner"]
    assert timers.now == 4
    assert timers.run(10) == ["later"]


def test_equal_times_in_order_of_adding():
    timers = Timers()
    for name in "cab":
        timers.at(3, str.upper, name)
    assert timers.run(3) == ["C", "A", "B"]


def test_repeats():
    timers, seen = Timers(), []
    timers.after(10, lambda: seen.append(timers.now), every=5)
    timers.run(25)
    assert seen == [10, 15, 20, 25]
    assert len(timers) == 1


def test_cancel():
    timers = Timers()
    number = timers.at(1, print)
    assert timers.cancel(number)
    assert not timers.cancel(number)
    assert len(timers) == 0
    assert timers.run(5) == []


def test_callbacks_may_add_and_cancel():
    timers, seen = Timers(), []
    timers.at(1, lambda: timers.after(1, seen.append, "added"))
    repeated = timers.at(1, lambda: timers.cancel(repeated), every=1)
    timers.run(9)
    assert seen == ["added"]
    assert len(timers) == 0


@pytest.mark.parametrize("when, every", [(-1, None), (1, 0)])
def test_bad_times(when, every):
    with pytest.raises(ValueError):
        Timers().at(when, print, every=every)


def test_closed():
    timers = Timers()
    timers.at(1, print)
    timers.close()
    with pytest.raises(Closed):
        timers.after(1, print)
    assert timers.run(5) == []
