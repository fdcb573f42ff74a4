"""`holdpoint reviewer add|list|revoke`: who may sign, with which key; a change of signers is a new signed root."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.init import identify
from harness.cli.opened import note_identity, opened
from harness.cli.shell import Shell, now, person, shell_of
from harness.errors import RefusedError, UsageError
from harness.gate.root import record_root
from harness.gate.signers import signers_lines
from harness.gate.signing import fingerprint
from harness.repo import Dirty, Moved, Stale
from harness.target import ReviewerEntry, set_reviewers
from harness.workspace import CONFIG, Workspace

Signers = Annotated[
    list[str] | None,
    typer.Option("--sign-as", help="NAME=PRIVATE-KEY of a present reviewer; repeat where two must sign."),
]


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="Who may sign, with which key.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(list_)
    group.command("revoke")(revoke)
    app.add_typer(group, name="reviewer")


def list_(
    context: typer.Context,
    signers: Annotated[Path | None, typer.Option(help="Write the allowed-signers file that `verify` takes.")] = None,
) -> None:
    """The reviewers at the protected branch's tip, with the fingerprints of their keys."""
    shell = shell_of(context)
    with opened(shell) as work:
        reviewers = work.rules_at(work.tip()).config.reviewers
    text = signers_lines(reviewers).decode()
    if signers is not None:
        signers.write_text(text)
    rows = tuple(
        {"name": entry.name, "key": entry.key, "fingerprint": fingerprint(entry.key), "roles": entry.roles}
        for entry in reviewers
    )
    words = "\n".join(f"{row['name']}  {row['fingerprint']}  {', '.join(row['roles'])}".rstrip() for row in rows)
    words = words or "nobody may approve yet"
    shell.finish("reviewers", {"reviewers": rows, "signers": text}, words)


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The reviewer's name.")],
    key: Annotated[Path | None, typer.Option(help="The OpenSSH public key file, or the private one.")] = None,
    generate_key: Annotated[Path | None, typer.Option("--generate-key", help="Make a new key here.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role that the policy's `required` may ask for.")] = None,
    sign_as: Signers = None,
) -> None:
    """Register a reviewer: commits the new holdpoint.toml and signs it as the root that `verify` starts from.

    The first reviewer signs for themselves; later ones are signed for by one present reviewer, or two where two exist.
    """
    shell = shell_of(context)
    identity = identify(name, key, generate_key)
    if identity is None:
        raise UsageError(f"Reviewer {name!r} has no key.", "add --key FILE, or --generate-key FILE")
    with opened(shell, lock="reviewer") as work:
        present = work.rules_at(work.tip()).config.reviewers
        if any(entry.name.casefold() == name.casefold() for entry in present):
            raise UsageError(f"{name} is a reviewer already.", "holdpoint reviewer revoke NAME first")
        signing = _signing(sign_as)
        if not present and identity.private is not None:
            signing.setdefault(identity.name, identity.private)
            note_identity(work, identity.name, identity.private)
        entry = ReviewerEntry(name=name, key=identity.public, roles=tuple(role or ()))
        _change(shell, work, (*present, entry), signing, f"Add reviewer {name}")


def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The reviewer's name.")],
    sign_as: Signers = None,
) -> None:
    """Take a reviewer's right to sign; what was merged with it before stays valid."""
    shell = shell_of(context)
    with opened(shell, lock="reviewer") as work:
        present = work.rules_at(work.tip()).config.reviewers
        left = tuple(entry for entry in present if entry.name.casefold() != name.casefold())
        if len(left) == len(present):
            names = ", ".join(entry.name for entry in present) or "nobody"
            raise UsageError(f"{name} is no reviewer; there are: {names}.", "holdpoint reviewer list")
        _change(shell, work, left, _signing(sign_as), f"Revoke reviewer {name}")


def _signing(given: list[str] | None) -> dict[str, Path]:
    signing: dict[str, Path] = {}
    for one in given or []:
        name, equals, path = one.partition("=")
        if not equals or not path:
            raise UsageError(f"--sign-as {one!r} is not NAME=PRIVATE-KEY.", "--sign-as ana=~/.ssh/id_ed25519")
        signing[name] = Path(path).expanduser()
    return signing


def _change(
    shell: Shell, work: Workspace, reviewers: tuple[ReviewerEntry, ...], signing: dict[str, Path], title: str
) -> None:
    """Commits the new list and has it signed; without the signatures that are due nothing is committed."""
    tip = work.tip()
    present = work.rules_at(tip).config.reviewers
    due = min(2, len(present)) if present else min(1, len(signing))
    known = {entry.name for entry in present}
    if sum(name in known or not present for name in signing) < due:
        raise RefusedError(
            f"{title}: {due} present reviewer{'s' if due > 1 else ''} must sign ({', '.join(sorted(known))}).",
            "add --sign-as NAME=PRIVATE-KEY",
        )
    text = set_reviewers((work.repo.read(tip, CONFIG) or b"").decode(), reviewers)
    commit, _tree = work.repo.commit_edits(
        tip, {CONFIG: text.encode()}, message=title, author=person(), branch=None, at=now()
    )
    match work.repo.land(work.protected_ref(), commit, tip):
        case Dirty(paths=paths):
            raise UsageError(f"The work tree has uncommitted changes ({', '.join(paths[:3])}).", "commit or stash them")
        case Stale():
            raise RefusedError("The protected branch moved meanwhile.", "the same command again")
        case Moved():
            pass
    for name, private in signing.items():
        record_root(work, name, private)
    rows = tuple({"name": entry.name, "key": entry.key, "fingerprint": fingerprint(entry.key)} for entry in reviewers)
    words = f"{title}: done ({commit[:12]}); every proposal is to be run again on the new base"
    shell.finish(
        "reviewers", {"reviewers": rows, "commit": commit, "signers": signers_lines(reviewers).decode()}, words
    )
