"""`holdpoint verify`: every merge on the protected branch approved, every digest true, the chain whole."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.opened import opened
from harness.cli.shell import DONE, REFUSED, shell_of
from harness.errors import UsageError
from harness.gate.verify import Earlier, MergeCheck, VerifyReport, recorded_root, verify
from harness.ledger import Head
from harness.text import visible_line


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("verify")(command)


def command(
    context: typer.Context,
    bare: Annotated[Path | None, typer.Option(help="A bare clone to verify, with git and public keys alone.")] = None,
    ref: Annotated[str, typer.Option(help="The protected branch.")] = "",
    signers: Annotated[Path | None, typer.Option(help="An allowed-signers file: where trust comes from.")] = None,
    root: Annotated[str | None, typer.Option(help="A root commit to trust: its reviewers are the signers.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="An earlier `verify --json` document, or a ledger head INDEX:HASH: all must go on from it."),
    ] = None,
) -> None:
    """Check what landed. Trust comes from --signers, or locally from the root that init pinned; without one: exit 2."""
    shell = shell_of(context)
    trusted = None if signers is None else _signers(signers)
    earlier = _earlier(since)
    if bare is not None:
        report = verify(bare, ref=ref or "main", signers=trusted, pinned_root=root, since=earlier)
    else:
        with opened(shell) as work:
            report = verify(
                work.repo,
                ref=ref or work.protected_ref(),
                signers=trusted,
                pinned_root=root or (None if trusted else recorded_root(work.state.ledger)),
                ledger=work.state.ledger,
                since=earlier,
            )
    content = {
        "ok": report.ok,
        "ref": report.ref,
        "tip": report.tip,
        "approvals": report.approvals,
        "root": report.root,
        "bypasses": tuple(merge.merge for merge in report.merges if merge.bypass),
        "merges": tuple(merge.model_dump(mode="json") for merge in report.merges),
        "ledger": report.ledger,
        "why": report.why,
    }
    shell.finish("verify", content, lambda: _words(report), DONE if report.ok else REFUSED)


def _words(report: VerifyReport) -> str:
    lines = [f"{_mark(merge)} {merge.merge[:12]}  {visible_line(merge.why)}" for merge in report.merges]
    lines += [f"BAD  {visible_line(why)}" for why in report.why]
    if report.ledger is not None:
        lines.append(
            f"ledger: {'ok' if report.ledger.ok else 'BAD'}, {report.ledger.events} events, "
            f"head {report.ledger.head.index}:{report.ledger.head.hash}"
        )
    bypasses = sum(merge.bypass for merge in report.merges)
    if bypasses:
        what = "1 commit was" if bypasses == 1 else f"{bypasses} commits were"
        lines.append(f"!!!! {what} NOT APPROVED BY ANYBODY before landing, and declared so by reviewers afterwards")
    lines.append("ok" if report.ok and not bypasses else "ok, but for what is marked !!!!" if report.ok else "NOT ok")
    return "\n".join(lines)


def _mark(merge: MergeCheck) -> str:
    return "!!!!" if merge.bypass else "ok  " if merge.ok else "BAD "


def _signers(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "holdpoint reviewer list --signers FILE"
        ) from None


def _earlier(text: str | None) -> Earlier:
    """What an earlier verification saw: from INDEX:HASH, or from the document that it printed."""
    if text is None:
        return Earlier()
    index, colon, digest = text.partition(":")
    if colon and index.isdecimal():
        return Earlier(ledger=Head(index=int(index), hash=digest))
    try:
        found = json.loads(Path(text).read_bytes())
        head = (found.get("ledger") or {}).get("head")
        return Earlier.model_validate({"tip": found["tip"], "approvals": found["approvals"], "ledger": head})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"--since {text!r} is no ledger head INDEX:HASH, and no document of verify.",
            "holdpoint verify --json > FILE",
        ) from None
