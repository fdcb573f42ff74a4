"""Makes the pictures of docs/ from real runs: a small target, proposals that the sandbox ran, the screen over them.

`make_pictures.py` builds a target of its own in a temporary folder; `make_pictures.py PATH` draws review.svg anew, of
that target's best waiting proposal. Needs an engine; writes the .svg files beside itself.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.cli.opened import desk, opened
from harness.cli.shell import Shell
from harness.gate.desk import Desk
from harness.tui.screenshot import WAIT, render_svg

HERE = Path(__file__).resolve().parent
SOURCE = '''"""A shelf of numbered things."""


class Shelf:
    """Things by number; a number is given once."""

    def __init__(self, things):
        self._things = list(things)

    def find(self, number):
        """The name of a thing; KeyError when there is none."""
        for known, name in self._things:
            if known == number:
                return name
        raise KeyError(number)

    def names(self):
        """Every name, in the order of the numbers."""
        return [name for _, name in sorted(self._things)]
'''
TESTS = """import pytest
from shelf import Shelf


def test_find():
    shelf = Shelf([(2, "b"), (1, "a")])
    assert shelf.find(1) == "a"
    with pytest.raises(KeyError):
        shelf.find(3)


def test_names():
    assert Shelf([(2, "b"), (1, "a")]).names() == ["a", "b"]
"""
BENCH = """import json
import time

from shelf import Shelf

shelf = Shelf([(number, str(number)) for number in range(2000)])
began = time.perf_counter()
for number in range(0, 2000, 5):
    shelf.find(number)
print(json.dumps({"metric": "lookup", "task": "all", "value": time.perf_counter() - began}))
"""
METRIC = """
[[metric]]
name = "lookup"
kind = "time"
direction = "lower"
run = "bench/bench.py"
effect = 0.05
margin = 0.3
pairs = 30
"""
_FOUND = """        for known, name in self._things:
            if known == number:
                return name
        raise KeyError(number)
"""
FASTER = SOURCE.replace(
    "self._things = list(things)", "self._things = list(things)\n        self._names = dict(self._things)"
)
FASTER = FASTER.replace(_FOUND, "        return self._names[number]\n")
HASTY = SOURCE.replace("sorted(self._things)]", 'sorted(eval("self._things"))]')
WIDER = SOURCE.replace(
    '"""Every name, in the order of the numbers."""',
    '"""Every name, in the order of the numbers."""\n        # Numbers are compared, never names.',
)
# name of the picture: proposal (None: the queue), columns and rows, keys
READ = (*["space"] * 6, "s", WAIT, "4", WAIT)
PICTURES: dict[str, tuple[str | None, tuple[int, int], tuple[str, ...]]] = {
    "review": ("faster", (140, 40), READ),
    "review-queue": (None, (80, 24), ()),
    "review-narrow": ("faster", (80, 24), (*["j"] * 6, "s")),
    "review-split": ("faster", (150, 34), ("vertical_line",)),
    "review-finding": ("hasty", (80, 24), ("f",)),
    "review-measured": ("faster", (80, 36), (*READ, "e", "slash", *"pairs", "enter")),
    "review-approve": ("faster", (80, 24), (*READ, "A", WAIT)),
    "review-history": ("faster", (80, 24), ("H",)),
}


def command(target: Path, *arguments: str | Path) -> dict[str, object]:
    """One holdpoint command on the target; its document."""
    argv = [sys.executable, "-m", "harness.cli", "--json", "--repo", str(target), *map(str, arguments)]
    environ = os.environ | {"PYTHONPATH": str(HERE.parent)}
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)
    if not ran.stdout:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def build(folder: Path) -> tuple[Path, dict[str, str]]:
    """A target with three proposals, run in the sandbox, and one decision; proposals by name."""
    target = folder / "shelf"
    files = {"src/shelf/__init__.py": SOURCE, "tests/test_shelf.py": TESTS, "bench/bench.py": BENCH}
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    git = ["git", "-C", str(target)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(target)], check=True)
    for key, value in (("user.name", "someone"), ("user.email", "someone@example.invalid")):
        subprocess.run([*git, "config", key, value], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a shelf"], check=True)
    command(target, "init", "--reviewer", "ana", "--generate-key", folder / "ana.key")
    config = target / "holdpoint.toml"
    config.write_text(config.read_text() + METRIC)
    subprocess.run([*git, "commit", "-q", "-am", "measure the look-up"], check=True)
    made = {}
    for name, text, title, more in (
        ("faster", FASTER, "Look things up by number", ["--claim"]),
        ("hasty", HASTY, "Give the first thing when there is none", []),
        ("wider", WIDER, "Say what is compared", []),
    ):
        overlay = folder / name / "src" / "shelf"
        overlay.mkdir(parents=True)
        (overlay / "__init__.py").write_text(text)
        said = ["--author", "agent:shelver", "--rationale", f"{title}: the loop is slow for long shelves."]
        answer = command(target, "propose", "--overlay", folder / name, "--title", title, *said, *more)
        made[name] = str(answer["proposal"])
        command(target, "run", made[name])
    command(target, "reject", made["wider"], "--reason", "The comment says what the code says.")
    return target, made


def draw(counter: Desk, name: str, proposal: str | None, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    """One picture."""
    (HERE / f"{name}.svg").write_text(render_svg(counter, proposal, size, keys=keys))


def main() -> None:
    """Builds, runs and draws; or draws one picture of a target that is there."""
    if len(sys.argv) > 1:
        with opened(Shell(Path(sys.argv[1]), json=False)) as work:
            counter = desk(work)
            draw(counter, "review", counter.queue()[0].proposal, (140, 40), ())
        return
    with tempfile.TemporaryDirectory() as name:
        target, made = build(Path(name))
        with opened(Shell(target, json=False)) as work:
            counter = desk(work)
            for picture, (which, size, keys) in PICTURES.items():
                draw(counter, picture, which and made[which], size, keys)


if __name__ == "__main__":
    main()
