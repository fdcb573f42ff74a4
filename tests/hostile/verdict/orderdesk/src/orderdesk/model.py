"""Values: sides, states, orders, fills and levels. Prices and amounts are integers."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple


class Side(Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def other(self):
        return Side.SELL if self is Side.BUY else Side.BUY


class State(IntEnum):
    OPEN = 1
    PARTIAL = 2
    FILLED = 3
    CANCELLED = 4


class Reason(Enum):
    SIZE = "size must be positive"
    PRICE = "price must be positive"
    FUNDS = "not enough funds"
    SELF_TRADE = "would trade with itself"


class Level(NamedTuple):
    """What is wanted or offered at one price."""

    price: int
    size: int
    orders: int


@dataclass(frozen=True, order=True)
class Fill:
    """One execution between a resting and an incoming order."""

    price: int
    size: int
    maker: int
    taker: int

    @property
    def value(self):
        return self.price * self.size


@dataclass
class Order:
    """An order with what is left of it."""

    number: int
    side: Side
    price: int
    size: int
    owner: str = ""
    left: int = field(init=False)
    state: State = field(init=False, default=State.OPEN)

    def __post_init__(self):
        self.left = self.size

    def take(self, size):
        """Execute part of it."""
        if size > self.left:
            raise ValueError("more than is left")
        self.left -= size
        self.state = State.FILLED if self.left == 0 else State.PARTIAL

    @property
    def live(self):
        return self.state < State.FILLED
