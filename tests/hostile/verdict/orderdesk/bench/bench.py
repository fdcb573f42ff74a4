"""The benchmark of the desk: seconds for a day's orders; base-owned."""

import json
import random
import time

from orderdesk import OrderBook, Side


def orders(seed=7, count=4000):
    rng = random.Random(seed)
    return [(rng.choice((Side.BUY, Side.SELL)), rng.randint(90, 110), rng.randint(1, 20)) for _ in range(count)]


def main():
    fills, todo = [], orders()
    start = time.perf_counter()
    book = OrderBook(fills.append)
    for side, price, size in todo:
        book.submit(side, price, size)
    print(json.dumps({"metric": "match", "task": "day", "seed": 7, "value": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
