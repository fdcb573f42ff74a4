"""`holdpoint propose`: takes a change in one of four forms, judges it by the base's policy, commits it on a branch."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.opened import opened
from harness.cli.shell import DONE, REFUSED, person, shell_of
from harness.errors import UsageError
from harness.patch import Malformed, from_diff, from_edits, from_overlay
from harness.pipeline import Draft, propose, resume
from harness.records import Patch
from harness.workspace import Workspace

MAX_INPUT = 16 << 20


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("propose")(command)


def command(
    context: typer.Context,
    overlay: Annotated[Path | None, typer.Option(help="A folder whose files are laid over the tree.")] = None,
    delete: Annotated[list[str] | None, typer.Option(help="With --overlay: a path that is removed.")] = None,
    diff: Annotated[Path | None, typer.Option(help="A unified diff.")] = None,
    edits: Annotated[Path | None, typer.Option(help="A JSON document as proposals/schema.json has it.")] = None,
    branch: Annotated[str | None, typer.Option(help="A branch or commit of this repository.")] = None,
    title: Annotated[str | None, typer.Option(help="One line: what changes.")] = None,
    rationale: Annotated[str | None, typer.Option(help="Why, in the proposer's words.")] = None,
    author: Annotated[
        str, typer.Option(help="Who proposes. A name that is no registered reviewer's counts as an agent's.")
    ] = "agent:external",
    parent: Annotated[str | None, typer.Option(help="The proposal that this one builds on.")] = None,
    claim: Annotated[bool, typer.Option("--claim", help="Claim a gain: a pass then needs a win.")] = False,
    declares: Annotated[
        list[str] | None, typer.Option(help="A function meant to answer otherwise, as pkg.module.function.")
    ] = None,
) -> None:
    """Propose a change: judged by the policy of its base, and committed on a branch holdpoint/P….

    Exit code 1 when the policy refuses it; the refusal is recorded too.
    """
    shell = shell_of(context)
    given = [
        name for name, value in (("overlay", overlay), ("diff", diff), ("edits", edits), ("branch", branch)) if value
    ]
    if len(given) != 1:
        raise UsageError(
            f"propose takes exactly one of --overlay, --diff, --edits and --branch; found {given or 'none'}.",
            "holdpoint propose --diff FILE --title '…'",
        )
    if delete and overlay is None:
        raise UsageError("--delete goes with --overlay.", "holdpoint propose --overlay DIR --delete PATH")
    with opened(shell, lock="propose") as work:
        resume(work)
        base = _base(work, parent)
        stated = _stated(edits)
        if overlay is not None:
            patch = from_overlay(_folder(overlay), delete or [], lambda path: work.repo.read(base, path))
        elif diff is not None:
            patch = from_diff(_text(diff), lambda path: work.repo.read(base, path))
        elif edits is not None:
            patch = from_edits(_bytes(edits), lambda path: work.repo.read(base, path))
        else:
            assert branch is not None
            base, patch = from_branch(work, base, branch)
        view = propose(
            work,
            Draft(
                title=title or stated.get("title") or f"change by {author}",
                rationale=rationale or stated.get("rationale") or "",
                author=_author(work, base, author),
                launcher=person(),
                base=base,
                parent=parent.upper() if parent else None,
                claims_gain=claim,
                patch=patch,
                declares=tuple(dict.fromkeys(declares or _declared(edits))),
            ),
        )
    accepted = view.candidate is not None
    shell.finish(
        "propose",
        {
            "proposal": view.id,
            "base": base,
            "commit": view.candidate.commit if view.candidate else None,
            "tree": view.candidate.tree if view.candidate else None,
            "status": "accepted" if accepted else "refused",
            "findings": view.findings,
        },
        lambda: "\n".join(
            [f"{view.id} {'accepted' if accepted else 'refused'}: {view.proposal.title}"]
            + [f"  {f.severity:8} {f.rule}  {f.path}:{f.line}  {f.message}" for f in view.findings]
            + ([f"next: holdpoint run {view.id}"] if accepted else [])
        ),
        DONE if accepted else REFUSED,
    )


def _base(work: Workspace, parent: str | None) -> str:
    if parent is None:
        return work.tip()
    candidate = work.view(parent).candidate
    if candidate is None:
        raise UsageError(f"{parent} was refused; it cannot be a parent.", f"holdpoint show {parent}")
    return candidate.commit


def _author(work: Workspace, base: str, author: str) -> str:
    """A registered reviewer proposes as a person; everybody else has an agent's narrower rights."""
    if author.startswith("agent:"):
        return author
    reviewers = {entry.name.casefold() for entry in work.rules_at(base).config.reviewers}
    return author if author.casefold() in reviewers else f"agent:{author}"


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_INPUT:
            raise UsageError(f"{path} has {size} bytes; at most {MAX_INPUT} are read.", "make the change smaller")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "check the path") from None


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", "surrogateescape")


def _stated(edits: Path | None) -> dict[str, str]:
    """Title and rationale as the edits document states them; its shape is checked where the patch is built."""
    document = _document(edits)
    return {key: value for key, value in document.items() if key in ("title", "rationale") and isinstance(value, str)}


def _declared(edits: Path | None) -> list[str]:
    """Functions that the edits document declares to change."""
    found = _document(edits).get("declares")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _document(edits: Path | None) -> dict[str, Any]:
    if edits is None:
        return {}
    try:
        document = json.loads(_bytes(edits))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _folder(root: Path) -> dict[str, bytes]:
    """Every file below the folder; a link or a special file is refused, never followed."""
    if not root.is_dir():
        raise UsageError(f"{root} is no folder.", "give the folder whose files are laid over the tree")
    found: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is a link or a special file; an overlay holds regular files.", "remove it")
        if path.is_file():
            found[path.relative_to(root).as_posix()] = _bytes(path)
    if not found:
        raise UsageError(f"{root} holds no files.", "give the folder whose files are laid over the tree")
    return found


def from_branch(work: Workspace, tip: str, branch: str) -> tuple[str, Patch | Malformed]:
    """The branch's change since it left the protected ref, as before and after text."""
    commit = work.repo.resolve(branch)
    base = work.repo.merge_base(tip, commit)
    if base is None:
        raise UsageError(f"{branch} shares no history with the protected ref.", "propose a branch made from it")
    before, after = work.repo.files(base), work.repo.files(commit)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    odd = [path for path in changed if path in after and after[path].mode not in ("100644", "100755")]
    modes = [path for path in changed if path in before and path in after and before[path].mode != after[path].mode]
    if odd or modes:
        return base, Malformed(path=(odd or modes)[0], why="links, submodules and mode changes are not accepted")
    contents = {path: work.repo.read(commit, path) or b"" for path in changed if path in after}
    gone = [path for path in changed if path not in after]
    return base, from_overlay(contents, gone, lambda path: work.repo.read(base, path))
