"""Random ways of pressing keys before an approval, and the pure parts of the screen answering them without a screen."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from memory_port import NOW, TREE

from harness.patch.hunks import read_diff
from harness.records import ReviewSheet
from harness.tui.forms import Form, form_for
from harness.tui.guard import QUIET_AFTER_KEY, TypeAhead
from harness.tui.session import Filling, Session, Submit

REASON = "read every hunk, order only"
LONG, SHORT = 0.7, 0.001  # seconds between keys: as a reader presses them, and as a burst or a paste brings them
ALPHABET = " sfaA12345XRDM?ejkn\r\t\x1bq"


@dataclass(frozen=True)
class Press:
    """One key, or a paste, and the time since what came before."""

    key: str
    gap: float = LONG
    paste: bool = False


def script(hunks: int, grave: int) -> list[Press]:
    """What leads to an approval, and nothing more."""
    keys = (
        [Press(" ")] * hunks + [Press("f")] * bool(grave) + [Press("a")] * grave + [Press("4"), Press("s"), Press("A")]
    )
    typed = [Press(char, 0.05) for char in TREE[:8]] + [Press("\r")] + [Press(char, 0.05) for char in REASON]
    return [*keys, replace(typed[0], gap=LONG), *typed[1:], Press("\r")]


def attempt(pick: random.Random, hunks: int, grave: int) -> list[Press]:
    """A random sequence: keys at random, or the script with some of it dropped, hurried, doubled, moved or pasted."""
    if pick.random() < 0.25:
        return [Press(pick.choice(ALPHABET), pick.choice((LONG, 0.05, SHORT))) for _ in range(pick.randrange(5, 60))]
    keys = script(hunks, grave)
    for _ in range(pick.choice((0, 1, 1, 2, 3, 6))):
        at = pick.randrange(len(keys))
        match pick.randrange(6):
            case 0:
                del keys[at]
            case 1:
                keys[at] = replace(keys[at], gap=SHORT)
            case 2:
                keys.insert(at, keys[at])
            case 3:
                keys.insert(pick.randrange(len(keys)), keys.pop(at))
            case 4:
                keys.insert(at, Press(pick.choice((TREE[:8], TREE, REASON)), SHORT, paste=True))
            case _:
                keys.insert(at, Press(pick.choice(ALPHABET), pick.choice((LONG, SHORT))))
        keys = keys or script(hunks, grave)
    return keys


class Keyboard:
    """Answers keys with the same guard, session, forms and filling as the screens; `approved` is what came of it."""

    def __init__(self, sheet: ReviewSheet) -> None:
        self.guard = TypeAhead()
        self.session = Session(sheet, read_diff(sheet.diff), 0.0)
        self.sheet = sheet
        self.now = 0.0
        self.approved = False
        self.done = False
        self._form: Form | None = None
        self._filling: Filling | None = None
        self._values: list[str] = []
        self._finding_in_sight = False
        self._due: tuple[float, object, Callable[[], None]] | None = None
        self.guard.painted(0.0)

    def press(self, given: Press) -> None:
        """One key or paste, after its gap."""
        self._pass(self.now + given.gap)
        if self.done:
            return
        event = object()
        self.guard.arrived(event)
        if self._form is not None:
            self._in_form(event, given)
        elif not given.paste:
            self.guard.acting_on(event, self.now)
            self._in_review(event, given.key)

    def rest(self) -> None:
        """Nothing more is pressed."""
        self._pass(self.now + 2)

    def _pass(self, until: float) -> None:
        if self._due is not None and self._due[0] <= until:
            self.now, key, act = self._due
            self._due = None
            if self.guard.alone(key):
                act()
        self.now = until

    def _settled(self, event: object, act: Callable[[], None]) -> None:
        if self.guard.live():
            self._due = self.now + QUIET_AFTER_KEY, event, act

    def _in_review(self, event: object, key: str) -> None:
        session = self.session
        if key == " ":
            session.saw(frozenset({len(session.watch.seen)}))
            self._finding_in_sight = False
        elif key == "f":
            session.step_finding(1 if self._finding_in_sight else 0)
            self._finding_in_sight = True
        elif key == "a":
            if self._finding_in_sight:
                self._settled(event, lambda: void(session.acknowledge()))
            self._finding_in_sight = True
        elif key in "12345":
            self._settled(event, lambda: void(session.judge(int(key))))
        elif key == "s":
            session.nominate(0)
        elif key in ("A", "X", "R", "D", "M"):
            decision = {"A": "approve", "X": "reject", "R": "request-changes", "D": "defer", "M": "merge"}[key]
            self._settled(event, lambda: self._open(decision))
        elif key in ("q", "\x1b"):
            self.done = True

    def _open(self, decision: str) -> None:
        if self.session.refusal(decision):  # type: ignore[arg-type]
            return
        self._form = form_for(decision, self.sheet, "ana", NOW, watch=self.session.watch)  # type: ignore[arg-type]
        self._filling = Filling(self._form)
        self._values = [""] * len(self._form.asks)
        self.guard.blank()
        self.guard.painted(self.now)

    def _in_form(self, event: object, given: Press) -> None:
        assert self._filling is not None
        assert self._form is not None
        filling = self._filling
        if given.paste:
            if not self._form.asks[filling.focus].typed_only:
                self._values[filling.focus] += given.key
        elif given.key == "\x1b":
            self._close()
        elif given.key == "\t":
            filling.step(1)
        elif given.key == "\r" and not filling.last:
            number = filling.focus
            filling.step(1)
            filling.check(number, self._values[number])
        elif given.key == "\r":
            self.guard.acting_on(event, self.now)
            self._settled(event, self._submit)
        elif filling.form.asks[filling.focus].allowed is None or given.key in "0123456789abcdefABCDEF":
            self._values[filling.focus] += given.key

    def _submit(self) -> None:
        assert self._filling is not None
        assert self._form is not None
        answer = self._filling.submit(tuple(self._values))
        if isinstance(answer, Submit):
            self.approved = self._form.decision == "approve"
            self.done = True

    def _close(self) -> None:
        self._form = self._filling = None
        self.guard.blank()
        self.guard.painted(self.now)


def void(_: object) -> None:
    """Drops a value."""


def shortcut(keys: list[Press], hunks: int, grave: int) -> str:
    """What these keys lack of the steps of an approval, worked out from the keys alone; empty when nothing."""
    typed = [one for one in keys if not one.paste]
    named = [one.key for one in typed]
    if len(typed) < hunks + grave + 3 + 8 + 1 + 1:
        return "too few keys"
    if named.count(" ") < hunks:
        return "a hunk was not shown"
    if "A" not in named or "s" not in named:
        return "no nomination, or the form was never asked for"
    calm = [n for n in range(len(keys) - 1) if keys[n + 1].gap >= QUIET_AFTER_KEY and not keys[n].paste]
    acknowledged = [n for n in calm if keys[n].key == "a"]
    if len(acknowledged) < grave:
        return "a finding was not acknowledged by a key of its own"
    if not [n for n in calm if keys[n].key in "12345"]:
        return "no first verdict"
    if not [n for n in calm if keys[n].key == "A"]:
        return "the form was asked for in a burst"
    digits = [one.key for one in typed if one.key in TREE[:8]]
    if len(digits) < 8:
        return "the hash was not typed"
    words = sum(len(one.key) for one in keys)
    if words < hunks + 20:
        return "no reason"
    return "" if named[-1:] and "\r" in named else "never submitted"
