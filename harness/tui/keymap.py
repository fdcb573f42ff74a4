"""Keys that a person chose instead of ours, by the id of what they do; reads no file itself."""

import tomllib
from difflib import get_close_matches

from textual.binding import Binding

from harness.errors import UsageError
from harness.tui.dialogs import Note
from harness.tui.queue import QueueScreen
from harness.tui.review import ReviewScreen

DECISIONS = frozenset(f"review.{name}" for name in ("approve", "reject", "request-changes", "defer", "merge")) | {
    "queue.reject"
}
_TOO_EASY = frozenset({"enter", "space", "ctrl+m", "ctrl+j"})
_TAKEN = frozenset({"ctrl+a", "ctrl+b", "ctrl+g", "ctrl+s"})  # terminal multiplexers and flow control
_EXAMPLE = '[keys]\n"review.next-hunk" = "n,ctrl+n"'


def known_ids() -> dict[str, str]:
    """Every id that can be given another key, with its own keys."""
    screens = (QueueScreen, ReviewScreen, Note)
    bindings = [one for screen in screens for one in screen.BINDINGS if isinstance(one, Binding)]
    return {one.id: one.key for one in bindings if one.id}


def read_keys(text: str) -> dict[str, str]:
    """The keys by id in a TOML table `[keys]`. UsageError, with what is allowed, for anything else."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The keys file is no TOML: {error}.", _EXAMPLE) from error
    given = document.pop("keys", {})
    if document or not isinstance(given, dict):
        raise UsageError("The keys file may hold one table, [keys], only.", _EXAMPLE)
    ids = known_ids()
    for name, keys in given.items():
        if name not in ids:
            near = get_close_matches(name, ids, 1)
            raise UsageError(
                f"There is nothing called {name!r} to give a key to.", near[0] if near else "press ? there"
            )
        if not isinstance(keys, str) or not all(key.strip() for key in keys.split(",")):
            raise UsageError(f"{name}: found {keys!r}, allowed: key names with commas between them.", _EXAMPLE)
    _distinct(ids | given)
    return dict(given)


def _distinct(keys: dict[str, str]) -> None:
    """A key does one thing on one screen, and none that is pressed by habit leads to a decision."""
    owners: dict[tuple[str, str], str] = {}
    for name, listed in keys.items():
        for key in listed.split(","):
            if name in DECISIONS and key.strip() in _TOO_EASY:
                raise UsageError(
                    f"{name}: {key!r} is pressed by habit, it may not lead to a decision.", "choose another"
                )
            if key.strip() in _TAKEN:
                raise UsageError(f"{name}: {key!r} belongs to terminals and multiplexers.", "choose another")
            place = (name.partition(".")[0], key.strip())
            if owners.setdefault(place, name) != name:
                raise UsageError(f"{key!r} stands for both {owners[place]} and {name}.", "give one of them another key")
