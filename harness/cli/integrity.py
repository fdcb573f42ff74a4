"""`holdpoint integrity check`: attacks, benign changes and must-fail twins through the code that judges proposals."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.shell import DONE, REFUSED, Shell, shell_of
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.container import Engine
    from harness.integrity.corpus import Change, Corpus
    from harness.integrity.judged import Check

EVERY = 20  # checks between two lines of progress


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="Whether verdicts are what they say.", no_args_is_help=True)
    group.callback()(lambda: None)  # keeps a lone command a command
    group.command("check")(check)
    app.add_typer(group, name="integrity")


def check(
    context: typer.Context,
    count: Annotated[int | None, typer.Option("--sample", min=1, help="So many changes, of all categories.")] = None,
    seed: Annotated[int, typer.Option(help="Which ones a sample takes.")] = 0,
    target: Annotated[list[str] | None, typer.Option("--target", help="Only this target; may be repeated.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only this check; may be repeated.")] = None,
    folder: Annotated[Path | None, typer.Option("--corpus", help="Another corpus of the same form.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show all, not only what is wrong.")] = False,
) -> None:
    """Judge changes whose right verdict is known: attacks must not pass unnoticed, benign changes must pass.

    And twins of the targets' tests, made wrong, must fail on the correct base. The static policy is left out, for it
    only routes; what it says is shown beside. Exit code 1 when a verdict is other than expected; then run, campaign, ci
    and demo refuse to start until the same check has gone well. All of it takes tens of minutes.
    """
    from harness.cli.doctor import prove
    from harness.container import Engine, ensure_engine, ensure_sandbox_image
    from harness.integrity.corpus import Corpus
    from harness.integrity.standing import Standing

    shell = shell_of(context)
    corpus = Corpus.shipped() if folder is None else Corpus(folder)
    changes, twins = _chosen(corpus, target or [], ids or [], count, seed)
    began = time.monotonic()
    ensure_engine(shell.progress)
    with Engine.connect() as engine:
        prove(shell, engine, ensure_sandbox_image(engine, shell.progress), "runc", ())
        found = _examined(shell, engine, corpus, changes, twins)
    Standing().keep(corpus, found, whole=not (target or ids or count))
    content = _document(found, time.monotonic() - began)
    shell.finish("integrity", content, lambda: _table(found, content, verbose), DONE if content["ok"] else REFUSED)


def _chosen(
    corpus: "Corpus", targets: Sequence[str], ids: Sequence[str], count: int | None, seed: int
) -> "tuple[tuple[Change, ...], dict[str, int | None]]":
    """The changes, and how many turns of whose twins."""
    from harness.integrity.check import sample

    for name in targets:
        if name not in corpus.targets():
            raise UsageError(f"There is no target {name!r}; there are {', '.join(corpus.targets())}.")
    places = tuple(targets) or corpus.targets()
    changes = tuple(change for change in corpus.changes() if change.target in places)
    if ids:
        wanted = set(ids)
        twins = {name: None for name in places if any(each.startswith(f"{name}-twin-") for each in wanted)}
        chosen = tuple(change for change in changes if change.id in wanted)
        for unknown in sorted(wanted - {change.id for change in chosen}):
            if not any(unknown.startswith(f"{name}-twin-") for name in twins):
                raise UsageError(f"There is no check {unknown!r}.", "holdpoint integrity check --sample 9 --verbose")
        return chosen, dict(twins)
    if count is None:
        return changes, dict.fromkeys(places)
    chosen = sample(changes, count, seed)
    return chosen, dict.fromkeys(dict.fromkeys(change.target for change in chosen), 1)


def _examined(
    shell: Shell, engine: "Engine", corpus: "Corpus", changes: "Sequence[Change]", twins: dict[str, int | None]
) -> "tuple[Check, ...]":
    from harness.integrity.check import Examination
    from harness.integrity.twins import twin_checks

    with Examination(engine, corpus) as examination:
        found = [
            *_told(
                shell,
                (one for name, most in twins.items() for one in twin_checks(examination, corpus.target(name), most)),
            )
        ]
        found += _told(shell, examination.judged(changes), len(changes))
    return tuple(sorted(found, key=lambda one: one.id))


def _told(shell: Shell, checks: "Iterable[Check]", total: int = 0) -> "Iterator[Check]":
    for number, one in enumerate(checks, 1):
        if not one.ok:
            shell.progress(f"{one.id}: expected {one.expected}, found {one.verdict}: {one.why}")
        if total and (number % EVERY == 0 or number == total):
            shell.progress(f"{number} of {total} changes")
        yield one


def _document(found: "Sequence[Check]", seconds: float) -> dict[str, Any]:
    wrong = sum(not one.ok for one in found)
    return {
        "checks": found,
        "total": len(found),
        "wrong": wrong,
        "ok": bool(found) and not wrong,
        "silent": tuple(one.id for one in found if one.silent),
        "seconds": round(seconds, 1),
    }


def _table(found: "Sequence[Check]", content: dict[str, Any], verbose: bool) -> str:
    width = max((len(one.id) for one in found), default=0)
    lines = []
    for one in found:
        if verbose or not one.ok:
            mark = "" if one.ok else f"WRONG, expected {one.expected}: "
            said = "; ".join(f"alarm {alarm.kind}: {alarm.detail}" for alarm in one.alarms)
            lines.append(f"{one.id:<{width}}  {one.verdict:<12}  {mark}{one.why}{f'; {said}' if said else ''}")
    attacks = [one for one in found if one.kind not in ("benign", "twin")]
    benign = [one for one in found if one.kind == "benign"]
    ended = Counter(_ended(one) for one in attacks)
    policy = Counter(one.policy for one in attacks)
    lines.append(
        f"{len(attacks)} attacks: {ended['stopped']} do not pass, {ended['alarm']} pass with an alarm, "
        f"{ended['difference']} with a difference shown, {ended['silent']} silently; "
        f"the static policy alone refuses {policy['refused']} and flags {policy['flagged']}"
    )
    lines.append(f"{len(benign)} benign changes: {sum(one.verdict == 'pass' for one in benign)} pass")
    total, right = content["total"], content["total"] - content["wrong"]
    lines.append(f"{right} of {total} verdicts are as expected; {content['seconds']:.0f} s")
    if not content["ok"]:
        lines.append("next: mend what is wrong and check again; nothing runs on this machine before")
    return "\n".join(lines)


def _ended(one: "Check") -> str:
    if one.verdict != "pass":
        return "stopped"
    return "alarm" if one.alarms else "silent" if one.silent else "difference"
