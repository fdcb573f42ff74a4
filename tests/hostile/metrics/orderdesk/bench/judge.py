"""Asks for days of fresh orders, wrong ones among them; the host reads what they cost and compares what was filled."""

import json
import random
import sys


def say(message):
    print(json.dumps(message), flush=True)


def orders(rng, count, wrong):
    for _ in range(count):
        price, size = rng.randint(90, 110), rng.randint(1, 20)
        if rng.random() < wrong:
            price, size = rng.choice([(0, size), (-price, size), (price, 0), (price, -size)])
        owner = rng.choice(["", "", "", "ana", "bo"])
        yield [rng.random() < 0.5, price, size, owner]


def days(rng):
    for _ in range(3):
        yield list(orders(rng, rng.randint(1500, 2500), 0.01))
    yield list(orders(rng, 60, 0.5))
    yield [[True, 10**9, 10**12, ""], *orders(rng, 200, 0.0)]
    yield []


def main():
    for line in sys.stdin:
        rng = random.Random(json.loads(line)["seed"])
        for number, day in enumerate(days(rng), 1):
            say({"type": "ask", "to": "candidate", "id": number, "body": {"orders": day}})
            if json.loads(sys.stdin.readline())["type"] != "reply":
                break
        say({"type": "done"})


if __name__ == "__main__":
    main()
