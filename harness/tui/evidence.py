"""The whole evidence as rows, in the order in which it should be read: the agent's own words come last. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.gate.behaviour import replay_words
from harness.gate.meaning import changed_tests, meaning_lines, summary
from harness.gate.protocol import VERDICTS, Watch
from harness.patch.hunks import Diff, read_diff
from harness.records import Decision, LineComment, ReviewSheet, TestsResult
from harness.tui.plot import path_lines
from harness.tui.rows import Part, Role, Row, lines_of, risk, row
from harness.tui.sheet import effect_parts, notice_rows, spot, worst_first


@dataclass(frozen=True)
class Reading:
    """How far the reader is: what was done, which finding is looked at, own comments, whether the rationale is open."""

    watch: Watch
    finding: int | None = None
    comments: tuple[LineComment, ...] = ()
    rationale: bool = False


def evidence_rows(sheet: ReviewSheet, diff: Diff, reading: Reading) -> tuple[Row, ...]:
    """The whole evidence. Measurements stay sealed until the first verdict; the agent's own account is last."""
    return tuple(
        line
        for section in (
            notice_rows(sheet, diff), _identity(sheet), _findings(sheet, reading), _revision(sheet),
            _comments(reading.comments), _changed_tests(diff), _meaning(sheet), _tests(sheet),
            _effects(sheet, reading.watch), _verdict(sheet, reading.watch), _log(sheet), _history(sheet),
            _rationale(sheet, opened=reading.rationale),
        )
        for rows in (tuple(section),)
        for line in (*rows, *([row("")] if rows else []))
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


def _findings(sheet: ReviewSheet, reading: Reading) -> Iterator[Row]:
    left = len(reading.watch.grave) - len(reading.watch.acknowledged)
    todo = f"   {left} to acknowledge: f goes to each, a acknowledges it" if left else ""
    yield row((f"FINDINGS  {len(sheet.findings) or 'none'}", "head"), (todo, "medium"), anchor="findings")
    for number in worst_first(sheet.findings):
        found = sheet.findings[number]
        word, role = risk(found.severity)
        block: tuple[str, Role] = (" blocks", "bad") if found.blocking else ("", "plain")
        here = "▸ " if number == reading.finding else "  "
        state: tuple[str, Role] = ("", "plain")
        if number in reading.watch.grave:
            done = number in reading.watch.acknowledged
            state = ("  ✓ acknowledged", "good") if done else ("  not acknowledged", "bad")
        name: tuple[str, Role] = (found.rule, "strong")
        lead: tuple[str, Role] = (f" {word} ", role)
        yield row((here, "key"), lead, block, f" {spot(found)} ", name, state, indent=12, anchor=f"finding {number}")
        yield from (row((f"           {line}", "plain"), indent=11) for line in found.message.split("\n"))


def _changed_tests(diff: Diff) -> Iterator[Row]:
    yield _head("TEST CHANGES", "tests")
    changed = changed_tests(diff)
    yield from (row(("  changed  ", "bad"), path, indent=11) for path in changed)
    if not changed:
        yield row(("  no test file and no test configuration is in the diff", "dim"), indent=2)


def _meaning(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head("MEANING  of the change, by name", "meaning")
    roles: dict[str, Role] = {"bad": "bad", "plain": "plain", "dim": "dim"}
    told = list(meaning_lines(sheet.semantic))
    for grave, place, words in told:
        yield row((f"  {place}  ", "dim"), (words, roles[grave]), indent=4)
    if not told:
        (role, words), *_ = summary(sheet.semantic)
        yield row((f"  {words}", roles[role]), indent=2)


def _tests(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head("TESTS, as collected at the base", "results")
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


def _effects(sheet: ReviewSheet, watch: Watch) -> Iterator[Row]:
    yield _head("A/B  positive or above ×1 is better", "effects")
    if not sheet.effects:
        yield row(("  nothing measured", "dim"))
    elif watch.sealed:
        yield row(("  sealed until your first verdict, 1 to 5: numbers would decide for you", "medium"), indent=2)
        return
    elif watch.verdict is not None:
        yield row(("  your first verdict: ", "dim"), f"{watch.verdict}, {VERDICTS[watch.verdict]}")
    for effect in sheet.effects:
        yield Row((Part("  "), *effect_parts(effect)), indent=4)
        e_value = "" if effect.e_value is None else f"   e-value {effect.e_value:.3g}"
        yield row((f"    {effect.role}, {effect.kind}, {effect.pairs} pairs{e_value}", "dim"), indent=4)
        yield from (row((f"    {line}", "plain"), clip=True) for line in path_lines(effect.path, effect.alpha))


def _verdict(sheet: ReviewSheet, watch: Watch) -> Iterator[Row]:
    yield _head(f"VERDICT OF THE MACHINE  {sheet.verdict or 'none'}", "verdict")
    if sheet.effects and watch.sealed:
        yield row(("  its reasons are sealed with the measurements", "medium"), indent=2)
    else:
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


def _revision(sheet: ReviewSheet) -> Iterator[Row]:
    """What was asked of the last revision, and where the answer is."""
    if sheet.revises is None:
        return
    before = sheet.revises
    changed = read_diff(before.diff).changed
    yield _head(f"REVISION  of {before.proposal}, which a person has decided about", "revision")
    yield from decision_rows(before.decision)
    yield row(f"  {changed} lines differ from what was reviewed then; ", ("i shows them", "key"), indent=2)


def _comments(comments: tuple[LineComment, ...]) -> Iterator[Row]:
    if not comments:
        return
    yield _head(f"YOUR COMMENTS  {len(comments)}, sent with R", "comments")
    yield from comment_rows(comments)


def comment_rows(comments: tuple[LineComment, ...]) -> Iterator[Row]:
    """Comments on lines, quoted."""
    for one in comments:
        side = "" if one.side == "new" else ", before"
        yield row((f"    {one.path}:{one.line}{side}  ", "dim"), f"“{one.text}”", indent=6)


def _history(sheet: ReviewSheet) -> Iterator[Row]:
    yield _head(f"DECISIONS  {len(sheet.decisions) or 'none yet'}", "decisions")
    for decision in sheet.decisions:
        yield from decision_rows(decision)


def decision_rows(decision: Decision, *, proposal: bool = False) -> Iterator[Row]:
    """One decision: when, what, who, why, and what the reviewer had seen of it."""
    which = f"{decision.proposal}  " if proposal else ""
    kind = f" ({decision.category})" if decision.category else ""
    when = f"  {decision.at:%Y-%m-%d %H:%M}Z  {which}"
    yield row(when, (decision.decision + kind, "strong"), f"  {decision.reviewer}", indent=4)
    yield from (row((f"    {line}", "plain"), indent=4) for line in _because(decision).split("\n"))
    yield from comment_rows(decision.comments)
    if (done := decision.reviewed) is not None:
        first = f", first verdict {done.first_verdict}" if done.first_verdict else ""
        seen = f"    {done.seen} of {done.hunks} hunks seen in {done.seconds:.0f} s{first}"
        yield row((seen, "dim"), indent=4)


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
