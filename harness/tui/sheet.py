"""A review sheet as rows, in the order in which it should be read: the agent's own words come last. Pure."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from harness.gate.behaviour import replay_words
from harness.records import Decision, Effect, Finding, ReviewSheet, TestsResult
from harness.tui.diffs import Diff
from harness.tui.rows import SEVERITIES, Part, Role, Row, breaks, lines_of, risk, row, short

MANY_LINES = 400  # review-ui.md: past 400 changed lines, defects found fall near zero
NOTICE_LINES = 4  # lines of the head that notices may take
_RATIO_KINDS = ("time", "cpu", "memory")
_JUDGES = ("conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "pytest.toml", ".pytest.toml")


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


def worst(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings, the most severe first; blocking before the rest."""
    return tuple(sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), not found.blocking)))


def summary_rows(sheet: ReviewSheet, diff: Diff, identity: str, width: int) -> tuple[Row, ...]:
    """The head of the review screen: notices, what it is, risk, tests, effects."""
    spot = f"  on {short(sheet.ref, 24)}@{sheet.base[:7]}  {sheet.state}"
    verdict = f" · verdict {sheet.verdict}" if sheet.verdict else ""
    first = Row((Part(sheet.proposal, "head"), Part("  "), *tree_digits(sheet.tree), Part(spot + verdict)), clip=True)
    return (
        *_first_notices(notice_rows(sheet, diff), width),
        first,
        row((short(sheet.title, 160), "strong"), (f"  by {short(sheet.author, 40)}", "dim"), clip=True),
        row(("you    ", "dim"), identity, clip=True),
        _risk_row(sheet.findings),
        Row((Part("TESTS  ", "head"), *_test_parts(sheet.tests, diff)), clip=True),
        _effects_row(sheet),
    )


def notice_rows(sheet: ReviewSheet, diff: Diff) -> tuple[Row, ...]:
    """What the reviewer must have read before anything else, whole."""
    said = [line for notice in sheet.notices for line in notice.split("\n")]
    if diff.changed > MANY_LINES:
        said.append(f"{diff.changed} changed lines; past {MANY_LINES}, reviewers find next to nothing.")
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
    first = worst(findings)[0]
    word, role = risk(first.severity)
    more = f"   +{len(findings) - 1} more [e]" if len(findings) > 1 else ""
    what = f" {short(_spot(first), 40)} {short(first.rule, 30)}: {short(first.message, 90)}"
    return Row((head, Part(f" {word} ", role), Part(what), Part(more, "dim")), clip=True)


def _spot(found: Finding) -> str:
    return f"{found.path}:{found.line}" if found.line else found.path


def changed_tests(diff: Diff) -> tuple[str, ...]:
    """Paths in the diff that judge: test files and test configuration."""
    return tuple(span.path for span in diff.files if _judges(span.path))


def _judges(path: str) -> bool:
    *folders, name = path.split("/")
    in_tests = any(folder in ("test", "tests") for folder in folders)
    return in_tests or name in _JUDGES or (name.startswith("test_") and name.endswith(".py"))


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


def _effects_row(sheet: ReviewSheet) -> Row:
    shown = [text for effect in sheet.effects[:2] for text in (*_effect_parts(effect), Part("   "))]
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
    return f" {short(effect.unit, 16)}" if effect.unit else ""


def _effect_parts(effect: Effect) -> tuple[Part, ...]:
    roles: dict[str, Role] = {"win": "good", "worse": "bad", "inconclusive": "medium", "no worse": "plain"}
    return (
        Part(f"{short(effect.metric, 32)} "),
        Part(_change(effect)),
        Part(f" {effect.outcome}", roles[effect.outcome]),
        Part(" exact" if effect.exact else "", "dim"),
    )


def evidence_rows(sheet: ReviewSheet, diff: Diff, *, rationale: bool) -> tuple[Row, ...]:
    """The whole evidence. `rationale` opens the agent's own account of its change, which is last."""
    return tuple(
        line
        for section in (
            notice_rows(sheet, diff), _identity(sheet), _findings(sheet), _tests(sheet, diff), _effects(sheet),
            _verdict(sheet), _log(sheet), _history(sheet), _rationale(sheet, opened=rationale),
        )
        for line in (*section, row(""))
    )  # fmt: skip


def _head(text: str, anchor: str = "") -> Row:
    return row((text, "head"), anchor=anchor)


def _pair(name: str, value: str, role: Role = "plain") -> Row:
    return row((f"  {name:<9} ", "dim"), (value, role), indent=12)


def _identity(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head("IDENTITY", "identity")
    yield _pair("title", sheet.title.replace("\n", "␊"))
    yield _pair("author", sheet.author)
    yield _pair("launcher", sheet.launcher)
    yield _pair("ref", sheet.ref)
    named = (("base", sheet.base), ("commit", sheet.commit), ("merge", sheet.merge), ("tree", sheet.tree))
    for name, value in (*named, ("evidence", sheet.evidence)):
        yield _pair(name, value or "none", "plain" if value else "dim")
    yield _pair("lineage", " ← ".join(sheet.lineage) or "none", "plain" if sheet.lineage else "dim")
    yield _pair("sandbox", sheet.sandbox or "not run")


def _findings(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head(f"FINDINGS  {len(sheet.findings) or 'none'}", "findings")
    for found in worst(sheet.findings):
        word, role = risk(found.severity)
        block: tuple[str, Role] = (" blocks", "bad") if found.blocking else ("", "plain")
        yield row("  ", (f" {word} ", role), block, f" {_spot(found)} ", (found.rule, "strong"), indent=12)
        yield from (row((f"           {line}", "plain"), indent=11) for line in found.message.split("\n"))


def _tests(sheet: ReviewSheet, diff: Diff) -> Iterator[Row]:
    yield _head("TEST CHANGES", "tests")
    changed = changed_tests(diff)
    yield from (row(("  changed  ", "bad"), path, indent=11) for path in changed)
    if not changed:
        yield row(("  no test file and no test configuration is in the diff", "dim"), indent=2)
    yield _head("TESTS, as collected at the base")
    tests = sheet.tests
    if tests is None or not tests.run:
        yield row(("  not run", "bad"))
        return
    for word, ids in (("FAILED", tests.failed), ("MISSING", tests.missing), ("SKIPPED", tests.skipped)):
        yield from (row((f"  {word:<8} ", "bad"), name.replace("\n", "␊"), indent=11) for name in ids)
    counts = f"{len(tests.failed)} failed, {len(tests.missing)} missing, {len(tests.skipped)} skipped"
    yield row(f"  {tests.passed} of {tests.expected} passed; {counts}", indent=2)
    yield from _lanes(tests)


def _lanes(tests: TestsResult) -> Iterator[Row]:
    """How far the passes can be trusted: which tests candidate code could have decided, by name."""
    if not tests.oracle:
        return
    yield row(f"  {tests.verified} verified: their assertions ran where no code of the candidate did", indent=2)
    if tests.oracle != "used":
        yield row(("  no oracle: ", "bad"), tests.oracle.replace("\n", "␊"), indent=11)
    if tests.decided:
        yield row(f"  {tests.decided} comparisons were decided by the candidate's own objects", indent=2)
    for word, ids in (("corroborated", tests.corroborated), ("UNVERIFIED", tests.unverified)):
        yield from (row((f"  {word:<12} ", "bad"), name.replace("\n", "␊"), indent=15) for name in ids)
    if tests.unnamed:
        yield row((f"  UNVERIFIED   and {tests.unnamed} more", "bad"), indent=15)


def _effects(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head("A/B  positive or above ×1 is better", "effects")
    if not sheet.effects:
        yield row(("  nothing measured", "dim"))
    for effect in sheet.effects:
        yield Row((Part("  "), *_effect_parts(effect)), indent=4)
        e_value = "" if effect.e_value is None else f"   e-value {effect.e_value:.3g}"
        yield row((f"    {effect.role}, {effect.kind}, {effect.pairs} pairs{e_value}", "dim"), indent=4)


def _verdict(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head(f"VERDICT OF THE MACHINE  {sheet.verdict or 'none'}", "verdict")
    yield from (row(f"  {line}", indent=2) for reason in sheet.reasons for line in reason.split("\n"))
    for alarm in sheet.other_alarms:
        yield row(("  ALARM ", "bad"), (f"{alarm.kind}  ", "strong"), alarm.detail.replace("\n", "␊"), indent=8)
    yield from _replay(sheet)


def _replay(sheet: ReviewSheet) -> Iterator[Row]:
    if sheet.replay is None:
        return
    first, *rest = replay_words(sheet.replay)
    yield row(("  REPLAY ", "strong"), first, indent=9)
    yield from (row(f"    {line}", indent=8) for line in rest)


def _log(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head("LOG, its end; printed by the candidate's process", "log")
    if not sheet.log_tail:
        yield row(("  nothing was printed", "dim"))
        return
    for line in lines_of(sheet.log_tail.removesuffix("\n")):
        yield Row((Part("  │ ", "dim"), *line.parts), indent=4)


def _history(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head(f"DECISIONS  {len(sheet.decisions) or 'none yet'}", "decisions")
    for decision in sheet.decisions:
        yield row(f"  {decision.at:%Y-%m-%d %H:%M}Z ", (decision.decision, "strong"), f" {decision.reviewer}", indent=4)
        yield from (row((f"    {line}", "plain"), indent=4) for line in _because(decision).split("\n"))


def _because(decision: Decision) -> str:
    until = f" (until {decision.until:%Y-%m-%d})" if decision.until else ""
    return f"“{decision.reason}”{until}"


def _rationale(sheet: ReviewSheet, *, opened: bool) -> Iterator[Row]:
    size = len(sheet.rationale)
    state = "its own account, unchecked" if opened else f"collapsed, {size} characters; r opens it"
    yield row(("AGENT'S RATIONALE  ", "head"), (state, "dim"), anchor="rationale")
    if opened:
        for line in lines_of(sheet.rationale):
            yield Row((Part("  ┊ ", "dim"), *line.parts), indent=4)
