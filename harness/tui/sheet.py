"""The head of the review screen as rows, worst news first, and the words that it shares with the evidence. Pure."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from harness.gate.meaning import changed_tests, summary
from harness.gate.protocol import Watch
from harness.patch.hunks import Diff
from harness.records import Effect, Finding, ReviewSheet, Semantic, TestsResult
from harness.tui.rows import SEVERITIES, Part, Role, Row, breaks, risk, row, short

QUESTION = "Assume one hunk is hostile. Where would it hide?"
MANY_LINES = 400  # review-ui.md: past 400 changed lines, defects found fall near zero
NOTICE_LINES = 3  # lines of the head that notices may take
_RATIO_KINDS = ("time", "cpu", "memory")


def age(since: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    spent = max(now - since, timedelta())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if spent >= timedelta(seconds=size):
            return f"{int(spent.total_seconds() // size)}{unit}"
    return "now"


def tree_digits(tree: str | None) -> tuple[Part, ...]:
    """The tree hash with the eight digits that an approval asks for set apart."""
    if not tree:
        return (Part("no tested tree", "bad"),)
    return (Part("tree ", "dim"), Part(tree[:8], "key"), Part(f" {tree[8:16]}", "dim"))


def worst_first(findings: tuple[Finding, ...]) -> tuple[int, ...]:
    """Indices of the findings, the most severe first; blocking before the rest."""
    places = range(len(findings))
    return tuple(sorted(places, key=lambda n: (SEVERITIES.index(findings[n].severity), not findings[n].blocking)))


def summary_rows(sheet: ReviewSheet, diff: Diff, watch: Watch, width: int) -> tuple[Row, ...]:
    """The head of the review screen: notices, what it is, risk, tests, and the measurements once they are open."""
    spot = f"  on {short(sheet.ref, 24)}@{sheet.base[:7]}  {sheet.state}"
    verdict = f" · verdict {sheet.verdict}" if sheet.verdict else ""
    first = Row((Part(sheet.proposal, "head"), Part("  "), *tree_digits(sheet.tree), Part(spot + verdict)), clip=True)
    return (
        *_first_notices(notice_rows(sheet, diff), width),
        first,
        row((short(sheet.title, 160), "strong"), (f"  by {short(sheet.author, 40)}", "dim"), clip=True),
        _risk_row(sheet.findings),
        _meaning_row(sheet.semantic),
        Row((Part("TESTS  ", "head"), *_test_parts(sheet.tests, diff)), clip=True),
        _effects_row(sheet, watch),
        row((QUESTION, "strong"), clip=True),
    )


def notice_rows(sheet: ReviewSheet, diff: Diff) -> tuple[Row, ...]:
    """What the reviewer must have read before anything else, whole."""
    said = [line for notice in sheet.notices for line in notice.split("\n")]
    if diff.changed > MANY_LINES:
        said.insert(0, f"{diff.changed} changed lines; past {MANY_LINES}, reviewers find next to nothing.")
    return tuple(_notice(line) for line in said)


def _notice(text: str) -> Row:
    return row((f" NOTICE  {text} ", "notice"), indent=9)


def _first_notices(notices: tuple[Row, ...], width: int) -> Iterator[Row]:
    # However long they are, they may not push tree, risk and tests out of sight: the evidence has them whole.
    left = NOTICE_LINES
    for number, notice in enumerate(notices):
        lines = 1 + len(breaks(notice.text, width, notice.indent, words=True))
        if lines > left:
            yield _notice(f"{len(notices) - number} more, whole in the evidence: press e")
            return
        left -= lines
        yield notice


def _risk_row(findings: tuple[Finding, ...]) -> Row:
    head = Part("RISK   ", "head")
    if not findings:
        return Row((head, Part("no finding; that is no proof of harmlessness", "dim")), clip=True)
    first = findings[worst_first(findings)[0]]
    word, role = risk(first.severity)
    more = f"   +{len(findings) - 1} more [e]" if len(findings) > 1 else ""
    what = f" {short(spot(first), 40)} {short(first.rule, 30)}: {short(first.message, 90)}"
    return Row((head, Part(f" {word} ", role), Part(what), Part(more, "dim")), clip=True)


def _meaning_row(found: Semantic | None) -> Row:
    parts = [Part("SEM    ", "head")]
    roles: dict[str, Role] = {"bad": "bad", "plain": "plain", "dim": "dim"}
    told = summary(found)
    for grave, words in told[:3]:
        parts += [Part(short(words, 60), roles[grave]), Part(" │ ", "dim")]
    more = Part(f"+{len(told) - 3} more [e]", "dim") if len(told) > 3 else Part("")
    return Row((*parts[: -1 if len(told) <= 3 else None], more), clip=True)


def spot(found: Finding) -> str:
    """Where a finding is."""
    return f"{found.path}:{found.line}" if found.line else found.path


def _test_parts(tests: TestsResult | None, diff: Diff) -> tuple[Part, ...]:
    changed = changed_tests(diff)
    first = Part(f"{len(changed)} TEST FILES CHANGED", "bad") if changed else Part("no test file changed", "dim")
    if tests is None or not tests.run:
        return first, Part("   not run", "bad")
    parts = [first]
    for count, word in (
        (len(tests.failed), "FAILED"),
        (len(tests.missing), "MISSING"),
        (len(tests.skipped), "SKIPPED"),
    ):
        if count:
            parts += [Part("   "), Part(f"{count} {word}", "bad")]
    count = len(tests.unverified) + tests.unnamed
    unsure = (Part(f"   {count} unverified", "bad"),) if count else ()
    return (*parts, Part(f"   {tests.passed} of {tests.expected} passed"), *unsure)


def _effects_row(sheet: ReviewSheet, watch: Watch) -> Row:
    if sheet.effects and watch.sealed:
        return Row((Part("A/B    ", "head"), Part("[sealed until your first verdict, 1 to 5]", "medium")), clip=True)
    shown = [text for effect in sheet.effects[:2] for text in (*effect_parts(effect, 32), Part("   "))]
    more = f"+{len(sheet.effects) - 2} more [e]" if len(sheet.effects) > 2 else ""
    none = (Part("nothing measured", "dim"),) if not sheet.effects else ()
    return Row((Part("A/B    ", "head"), *none, *shown, Part(more, "dim")), clip=True)


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.3g}"


def _change(effect: Effect) -> str:
    if effect.exact and effect.baseline is not None and effect.candidate is not None:
        return f"{_number(effect.baseline)} → {_number(effect.candidate)}{_unit(effect)}"
    if effect.kind in _RATIO_KINDS and not effect.exact:
        low, high = (f"{math.exp(side):.3f}" if side is not None else "?" for side in (effect.low, effect.high))
        return f"×{math.exp(effect.estimate):.3f} [{low}, {high}]"
    low, high = (_number(side) if side is not None else "?" for side in (effect.low, effect.high))
    return f"{effect.estimate:+g}{_unit(effect)} [{low}, {high}]"


def _unit(effect: Effect) -> str:
    return f" {effect.unit}" if effect.unit else ""


def effect_parts(effect: Effect, limit: int = 0) -> tuple[Part, ...]:
    """One effect in a line, cut to a limit where one is given."""
    roles: dict[str, Role] = {"win": "good", "worse": "bad", "inconclusive": "medium", "no worse": "plain"}
    return (
        Part(f"{short(effect.metric, limit) if limit else effect.metric} "),
        Part(short(_change(effect), 2 * limit) if limit else _change(effect)),
        Part(f" {effect.outcome}", roles[effect.outcome]),
        Part(" exact" if effect.exact else "", "dim"),
    )
