import pytest

from orderdesk import Fill, Order, Side, State


def test_sides():
    assert Side("buy").other is Side.SELL
    assert Side.SELL.other.value == "buy"


def test_states_are_ordered():
    assert State.OPEN < State.PARTIAL < State.FILLED
    assert [state.name for state in State][-1] == "CANCELLED"


def test_take():
    order = Order(1, Side.BUY, 10, 5)
    order.take(2)
    assert (order.left, order.state, order.live) == (3, State.PARTIAL, True)
    order.take(3)
    assert not order.live
    with pytest.raises(ValueError):
        order.take(1)


def test_fills_are_ordered():
    assert sorted([Fill(2, 1, 1, 2), Fill(1, 9, 1, 2)])[0].price == 1
    assert Fill(3, 4, 1, 2).value == 12
