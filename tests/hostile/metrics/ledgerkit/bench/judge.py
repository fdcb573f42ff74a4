"""Asks for rankings of fresh documents, unusual ones among them; the host reads what they cost and compares answers."""

import json
import random
import sys


def say(message):
    print(json.dumps(message), flush=True)


def word(rng, letters="abcdefgh"):
    return "".join(rng.choice(letters) for _ in range(rng.randint(3, 8)))


def vocabulary(rng):
    """Words of a few families, as in texts about one thing: `order`, `orders`, `ordered`, `reorder`."""
    endings = ["", "s", "ed", "ing", "er", "ation"]
    return [rng.choice(["", "", "re"]) + stem + end for stem in [word(rng) for _ in range(5)] for end in endings]


def usual(rng):
    """A query and documents of one vocabulary."""
    words = vocabulary(rng)
    docs = [" ".join(rng.choice(words) for _ in range(8)) for _ in range(rng.randint(90, 130))]
    return " ".join(rng.choice(words) for _ in range(3)), docs


def unusual(rng):
    """Long words, words in other scripts, documents that are empty or equal, a query that shares no word with them."""
    long = ["".join(rng.choice("abcé ßλ-9")[:1] for _ in range(rng.randint(9, 30))) for _ in range(12)]
    docs = [rng.choice(long) for _ in range(rng.randint(1, 20))] + [""] * rng.randint(0, 3)
    rng.shuffle(docs)
    return rng.choice([" ".join(long[:2]), word(rng, "xyz"), ""]), docs


def questions(rng):
    for _ in range(5):
        query, docs = usual(rng)
        yield query, docs, rng.randint(1, 10)
        inner = docs[1:-1]
        rng.shuffle(inner)  # the same head, tail and number
        yield query, [docs[0], *inner, docs[-1]], 5
    for _ in range(4):
        yield *unusual(rng), rng.randint(0, 30)


def main():
    for line in sys.stdin:
        rng = random.Random(json.loads(line)["seed"])
        for number, (query, docs, k) in enumerate(questions(rng), 1):
            body = {"query": query, "docs": docs, "k": k}
            say({"type": "ask", "to": "candidate", "id": number, "body": body})
            if json.loads(sys.stdin.readline())["type"] != "reply":
                break
        say({"type": "done"})


if __name__ == "__main__":
    main()
