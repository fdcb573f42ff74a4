"""orderdesk: an order book with accounts, events, timers and a cache; the classes-and-state target."""

from .accounts import Account, Accounts
from .book import OrderBook
from .cache import Cache
from .errors import Closed, DeskError, Rejected, UnknownOrder
from .events import EventBus, Event
from .feed import Averager, collect, quotes, windows
from .model import Fill, Level, Order, Reason, Side, State
from .timers import Timers

__all__ = [
    "Account",
    "Accounts",
    "Averager",
    "Cache",
    "Closed",
    "DeskError",
    "Event",
    "EventBus",
    "Fill",
    "Level",
    "Order",
    "OrderBook",
    "Reason",
    "Rejected",
    "Side",
    "State",
    "Timers",
    "UnknownOrder",
    "collect",
    "quotes",
    "windows",
]
__version__ = "1.2.0"
