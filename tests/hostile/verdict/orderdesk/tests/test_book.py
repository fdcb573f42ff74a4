import pytest

from orderdesk import DeskError, Fill, Level, Reason, Rejected, Side, State, UnknownOrder


def test_resting_orders(book, fills):
    assert len(book) == 4
    assert [order.number for order in book] == [1, 2, 3, 4]
    assert fills == []


def test_best_and_spread(book):
    assert book.best(Side.BUY) == 99
    assert book.best(Side.SELL) == 101
    assert book.spread() == 2


def test_price_time_priority(book, fills):
    book.submit(Side.BUY, 101, 6, "eve")
    assert fills == [Fill(101, 5, 1, 5), Fill(101, 1, 2, 5)]


def test_partial_fill_rests(book):
    order = book.submit(Side.BUY, 102, 10, "eve")
    assert (order.left, order.state) == (2, State.PARTIAL)
    assert order.number in book
    assert book.best(Side.BUY) == 102


def test_walks_levels(book, fills):
    order = book.submit(Side.BUY, 105, 12, "eve")
    assert [(fill.price, fill.size) for fill in fills] == [(101, 5), (101, 3), (103, 4)]
    assert order.state is State.FILLED
    assert sum(fill.value for fill in fills) == 1220


def test_levels(book):
    assert list(book.levels(Side.SELL)) == [Level(101, 8, 2), Level(103, 10, 1)]
    assert next(book.levels(Side.BUY)).size == 4


@pytest.mark.parametrize("size, price, reason", [(0, 5, Reason.SIZE), (3, 0, Reason.PRICE), (-1, -1, Reason.SIZE)])
def test_rejects(book, size, price, reason):
    with pytest.raises(Rejected) as caught:
        book.submit(Side.BUY, price, size)
    assert caught.value.reason is reason
    assert isinstance(caught.value, DeskError)


def test_no_self_trade(book):
    with pytest.raises(Rejected, match="trade with itself"):
        book.submit(Side.BUY, 101, 1, "ann")


def test_cancel(book):
    assert book.cancel(1).state == State.CANCELLED
    assert list(book.levels(Side.SELL))[0] == (101, 3, 1)
    with pytest.raises(UnknownOrder):
        book.cancel(1)


def test_unknown_order_is_a_key_error(book):
    with pytest.raises(KeyError):
        book.cancel(77)
