"""Drafts random, seeded edits of the tables and sort keys in tinker's policy, out of tinker's own source."""

import ast
import json
import random
import re
from collections import defaultdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tinker.engine import Problem, Site, serve, valid

PATH = "src/tinker/policy.py"
MOST_ROWS = 30  # of one table, so that a person can still read it
TOKEN = re.compile(r"\{\w+\}|\w+|\s+|[^\w\s{}]+")
read = lru_cache(maxsize=32)(partial(Problem, facts={}))
OWN = [path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem != "policy"]


def show(row: list[str]) -> str:
    return " → ".join(json.dumps(cell, ensure_ascii=False) for cell in row)


class Draft:
    """One policy under change. An operator edits `text` and says what it did."""

    def __init__(self, text: str, rng: random.Random) -> None:
        self.text, self.rng = text, rng
        self.sites: dict[str, list[Site]] = defaultdict(list)
        for kind, sites in (item for own in (*OWN, text) for item in read(own).sites.items()):
            self.sites[kind].extend(sites)
        self.kinds = [kind for kind in sorted(self.sites) for _ in self.sites[kind]]  # as often as they occur
        words = (sites for kind, sites in self.sites.items() if kind.endswith(("operator", "Integer")))
        self.words = sorted({site.text for sites in words for site in sites})

    def edit(self) -> str:
        before = self.text
        for _ in range(100):
            said = self.rng.choice((self.table, self.table, self.table, self.key))()
            if self.text != before and valid(self.text):
                return said
            self.text = before
        raise ValueError("no operator fits this policy")

    def table(self) -> str:
        """Changes the rows of a literal table; long tables are chosen more often."""
        problem = read(self.text)
        tables = [
            (assign.parts["targets0"], site, ast.literal_eval(assign.parts["value"]))
            for assign, site in zip(problem.sites["Assign"], problem.sites["Assign.value"], strict=True)
            if site.kind in ("Tuple", "Dict") and "\n" in site.text
        ]
        ((name, site, value),) = self.rng.choices(tables, [len(value) for _, _, value in tables])
        rows = [list(row) for row in (value.items() if isinstance(value, dict) else value)]
        said = self.rows(rows, [f"{{{key}}}" for _, _, table in tables if isinstance(table, dict) for key in table])
        form, whole = ("    {}: {},\n", "{{\n{}}}") if isinstance(value, dict) else ("    ({}, {}),\n", "{}")
        lines = (form.format(*(json.dumps(cell, ensure_ascii=False) for cell in row)) for row in rows)
        self.text = self.text[: site.start] + whole.format("".join(lines)).strip() + self.text[site.end :]
        return f"{name}: {said}"

    def rows(self, rows: list[list[str]], holes: list[str]) -> str:
        rng, one, two = self.rng, self.rng.randrange(len(rows)), self.rng.randrange(len(rows))
        act = rng.choice(("move", "drop", "change", "copy", "cross", "shape"))
        if act == "drop" or len(rows) >= MOST_ROWS:
            gone = [rows.pop(rng.randrange(len(rows))) for _ in range(min(rng.choice((1, 1, 2, 3)), len(rows) - 1))]
            return "drop " + ", ".join(map(show, gone))
        if act == "move":
            rows.insert(two, rows.pop(one))
            return f"move row {one}, {show(rows[two])}, to {two}"
        if act == "change":
            before, rows[one] = show(rows[one]), self.changed(rows[one], holes)
            return f"change row {one} from {before} to {show(rows[one])}"
        new, how = {
            "copy": (self.changed(rows[one], holes), "a changed copy"),
            "cross": ([rows[one][0], rows[two][1]], "two rows crossed"),
            "shape": (self.shape(), "a shape in tinker's own source"),
        }[act]
        rows.insert(two, new)
        return f"add row {two}, {show(new)}, {how}"

    def changed(self, row: list[str], holes: list[str]) -> list[str]:
        """The row with another kind or name, or with one token of its text replaced, dropped, added or swapped."""
        rng, cell = self.rng, self.rng.randrange(2)
        tokens = TOKEN.findall(row[cell]) or [""]
        spots = [spot for spot, token in enumerate(tokens) if token.strip()] or [0]
        one, two = rng.choice(spots), rng.choice(spots)
        if row[cell] in self.sites:
            tokens = [rng.choice(self.kinds)]
        elif row[cell].isidentifier():
            tokens = [rng.choice(self.sites["Name"]).text]
        elif (act := rng.choice(("drop", "swap", "add", "replace", "replace"))) == "drop":
            tokens.pop(one)
        elif act == "swap":
            tokens[one], tokens[two] = tokens[two], tokens[one]
        else:
            holes = holes + [f"{{{part}}}" for site in self.sites.get(row[0], ())[:1] for part in site.parts]
            word = rng.choice(rng.choice((holes, self.words)))
            tokens[one : one + (act == "replace")] = [word if word in holes else f" {word} "]
        after = [*row[:cell], re.sub(" +", " ", "".join(tokens)).strip(" "), *row[cell + 1 :]]
        return self.changed(row, holes) if after == row else after

    def shape(self) -> list[str]:
        """The kind and the text of a node of tinker's own source, with some of its parts left open."""
        site = self.rng.choice(
            [x for sites in self.sites.values() for x in sites if len(x.parts) > 1 and len(x.text) <= 60]
        )
        text, kind = site.text, self.rng.choice((site.kind, site.role))
        for name, part in sorted(site.parts.items(), key=lambda item: -len(item[1])):
            if name != "self" and part and self.rng.random() < 0.8:
                text = re.sub(rf"(?<![\w{{]){re.escape(part)}(?![\w}}])", f"{{{name}}}", text, count=1)
        return [kind, text]

    def key(self) -> str:
        """Moves, adds, drops, negates or combines the entries of a returned tuple."""
        rng, problem = self.rng, read(self.text)
        site = rng.choice([site for site in problem.sites["Return.value"] if site.kind == "Tuple"])
        entries = [part for name, part in site.parts.items() if name.startswith("elements")]
        facts = [fact.parts["target"] for fact in problem.sites["AnnAssign"] if fact.text.endswith(": int")]
        at, fact = rng.randrange(len(entries)), f"{entries[0].lstrip('-').partition('.')[0]}.{rng.choice(facts)}"
        if (act := rng.choice(("move", "add", "drop", "negate", "combine"))) == "move":
            entries.insert(rng.randrange(len(entries)), entries.pop(at))
        elif act == "drop" and len(entries) > 1:
            entries.pop(at)
        elif act == "negate":
            entries[at] = entries[at][1:] if entries[at].startswith("-") else f"-{entries[at]}"
        elif act == "combine" and " " not in entries[at]:
            entries[at] = f"{entries[at]} {rng.choice(self.words)} {fact}"
        else:
            entries.insert(at, rng.choice((fact, f"-{fact}")))
        text = f"({', '.join(entries)}{',' * (len(entries) == 1)})"
        self.text = self.text[: site.start - 1] + text + self.text[site.end + 1 :]
        return f"sort key: {text}"


def propose(seed: int, files: dict[str, str]) -> dict[str, Any]:
    """One or two operators; the same seed and file give the same proposal, or nothing when no operator fits."""
    rng = random.Random(seed)
    try:
        draft = Draft(files[PATH], rng)
        said = "; ".join([draft.edit() for _ in range(rng.choice((1, 1, 2)))])
    except Exception:
        return {"type": "nothing"}
    edits = [{"path": PATH, "content": draft.text}]
    return {"type": "proposal", "title": said[:200], "rationale": said, "edits": edits}


if __name__ == "__main__":
    serve(lambda body: propose(body["seed"], body["files"]))
