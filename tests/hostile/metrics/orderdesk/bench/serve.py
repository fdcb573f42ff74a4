"""Answers the judge's questions with the package in scope; base-owned, and in the candidate's process all the same."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))
from orderdesk import OrderBook, Side

for line in sys.stdin:
    message = json.loads(line)
    fills, refused = [], []
    book = OrderBook(lambda fill, fills=fills: fills.append([fill.price, fill.size, fill.maker, fill.taker]))
    for number, (buys, price, size, owner) in enumerate(message["body"]["orders"]):
        try:
            book.submit(Side.BUY if buys else Side.SELL, price, size, owner)
        except Exception as error:
            refused.append([number, type(error).__name__])
    best = [book.best(Side.BUY), book.best(Side.SELL)]
    answer = {"fills": fills, "refused": refused, "best": best, "left": len(book)}
    print(json.dumps({"id": message["id"], "body": answer}), flush=True)
