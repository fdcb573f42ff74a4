import pytest

from orderdesk import Accounts, OrderBook, Side


@pytest.fixture
def fills():
    return []


@pytest.fixture
def book(fills):
    made = OrderBook(on_fill=fills.append)
    made.submit(Side.SELL, 101, 5, "ann")
    made.submit(Side.SELL, 101, 3, "bob")
    made.submit(Side.SELL, 103, 10, "cat")
    made.submit(Side.BUY, 99, 4, "dan")
    return made


@pytest.fixture
def accounts():
    with Accounts(ann=100, bob=50, cat=50) as made:
        yield made
