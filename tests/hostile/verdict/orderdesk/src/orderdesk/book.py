"""An order book that matches by price, then by time."""

from collections import deque

from .errors import Rejected, UnknownOrder
from .model import Fill, Level, Order, Reason, Side


class OrderBook:
    """Resting orders of one instrument; `on_fill` is called with every fill, in order."""

    def __init__(self, on_fill=None):
        self._sides = {Side.BUY: {}, Side.SELL: {}}
        self._orders = {}
        self._next = 1
        self._on_fill = on_fill

    def __len__(self):
        return len(self._orders)

    def __contains__(self, number):
        return number in self._orders

    def __iter__(self):
        return iter(sorted(self._orders.values(), key=lambda order: order.number))

    def submit(self, side, price, size, owner=""):
        """The new order after matching; what is left of it rests."""
        if size <= 0:
            raise Rejected(Reason.SIZE, str(size))
        if price <= 0:
            raise Rejected(Reason.PRICE, str(price))
        order = Order(self._next, side, price, size, owner)
        self._next += 1
        self._match(order)
        if order.left:
            self._sides[side].setdefault(price, deque()).append(order)
            self._orders[order.number] = order
        return order

    def cancel(self, number):
        """The cancelled order."""
        order = self._orders.pop(number, None)
        if order is None:
            raise UnknownOrder(number)
        queue = self._sides[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self._sides[order.side][order.price]
        order.state = type(order.state).CANCELLED
        return order

    def best(self, side):
        """The best price of a side, or None."""
        prices = self._sides[side]
        if not prices:
            return None
        return max(prices) if side is Side.BUY else min(prices)

    def spread(self):
        """Lowest offer less highest bid, or None while a side is empty."""
        bid, offer = self.best(Side.BUY), self.best(Side.SELL)
        return None if bid is None or offer is None else offer - bid

    def levels(self, side):
        """The levels of a side, best first, as a generator."""
        prices = self._sides[side]
        for price in sorted(prices, reverse=side is Side.BUY):
            queue = prices[price]
            yield Level(price, sum(order.left for order in queue), len(queue))

    def _match(self, order):
        prices = self._sides[order.side.other]
        while order.left and prices:
            price = self.best(order.side.other)
            if order.side is Side.BUY and price > order.price:
                break
            if order.side is Side.SELL and price < order.price:
                break
            queue = prices[price]
            maker = queue[0]
            if order.owner and maker.owner == order.owner:
                raise Rejected(Reason.SELF_TRADE, order.owner)
            size = min(order.left, maker.left)
            maker.take(size)
            order.take(size)
            if not maker.left:
                queue.remove(maker)
                del self._orders[maker.number]
            if not queue:
                del prices[price]
            if self._on_fill is not None:
                self._on_fill(Fill(price, size, maker.number, order.number))
