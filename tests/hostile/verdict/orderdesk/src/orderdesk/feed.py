"""Streams: windows over an iterable, a coroutine that averages, asynchronous quotes."""

import asyncio


def windows(items, size):
    """Lists of `size` items each; the last one may be shorter."""
    if size < 1:
        raise ValueError("size must be positive")
    window = []
    for item in items:
        window.append(item)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window


class Averager:
    """A mean that grows with what is sent to `feed()`, a generator."""

    def __init__(self):
        self.count, self.sum = 0, 0

    def feed(self):
        try:
            while True:
                value = yield (self.sum / self.count if self.count else None)
                self.sum += value
                self.count += 1
        finally:
            self.closed = True

    closed = False


async def quotes(prices, pause=0):
    """Prices with their change, one by one; the first has none."""
    last = None
    for price in prices:
        await asyncio.sleep(pause)
        yield price, (0 if last is None else price - last)
        last = price


async def collect(*sources, limit=None):
    """What several asynchronous iterators give, each in its order, source by source."""

    async def drain(source):
        found = []
        async for item in source:
            found.append(item)
            if limit is not None and len(found) >= limit:
                break
        return found

    return await asyncio.gather(*(drain(source) for source in sources))
