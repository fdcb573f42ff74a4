"""`holdpoint init`: makes a git repository a target, and pins the root that `verify` starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.opened import note_identity
from harness.cli.shell import now, person, shell_of
from harness.errors import UsageError
from harness.gate.root import record_root
from harness.gate.signing import generate_key, public_key
from harness.ledger import Ledger
from harness.ledger.events import TargetInitialised
from harness.records import sha256
from harness.repo import Dirty, Moved, Repo, Stale
from harness.target import ReviewerEntry, StateDir, discover, parse_config, render_config, set_reviewers
from harness.workspace import CONFIG, Workspace


@dataclass(frozen=True)
class Identity:
    """Who signs the root, if anybody: a name, a public key, and a private key file when one is at hand."""

    name: str
    public: str
    private: Path | None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("init")(command)


def command(
    context: typer.Context,
    reviewer: Annotated[str | None, typer.Option(help="The first reviewer's name.")] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="The reviewer's OpenSSH key: a public key file, or a private one that also signs the root."),
    ] = None,
    generate_key_at: Annotated[
        Path | None, typer.Option("--generate-key", help="Make a new ed25519 key here for the reviewer.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="The editable scope (default: found by convention).")] = None,
    tests: Annotated[list[str] | None, typer.Option(help="Where the tests are (default: found).")] = None,
) -> None:
    """Make this git repository a target: commits a holdpoint.toml with every key explained, and makes the state.

    A holdpoint.toml that is already there is kept.
    """
    shell = shell_of(context)
    identity = identify(reviewer, key, generate_key_at)
    repo = Repo.find(shell.repo)
    commit, ref = initialise(repo, identity, source, tests)
    state = StateDir(repo.common_dir)
    names = tuple(entry.name for entry in parse_config(_config_text(repo, commit)).reviewers)
    words = [f"{repo.root} is a target; {CONFIG} is committed on {ref} ({commit[:12]})."]
    if not names:
        words.append("nobody may approve yet. next: holdpoint reviewer add NAME --key FILE")
    else:
        words.append("next: holdpoint propose --diff FILE --title '…'")
    shell.finish(
        "init",
        {
            "target": str(repo.root),
            "config": str((repo.root or Path()) / CONFIG),
            "state": str(state.root),
            "commit": commit,
            "reviewers": names,
        },
        "\n".join(words),
    )


def identify(name: str | None, key: Path | None, generate: Path | None) -> Identity | None:
    """The reviewer that the options name; None when they name none."""
    if key is None and generate is None:
        if name is not None:
            raise UsageError(f"Reviewer {name!r} has no key.", "add --key FILE, or --generate-key FILE")
        return None
    if key is not None and generate is not None:
        raise UsageError("--key and --generate-key exclude each other.", "give one of them")
    if generate is not None:
        generate_key(generate)
        return Identity(name or person(), public_key(generate), generate)
    assert key is not None
    private = None if key.suffix == ".pub" else key
    return Identity(name or person(), public_key(key), private)


def initialise(
    repo: Repo, identity: Identity | None, source: list[str] | None = None, tests: list[str] | None = None
) -> tuple[str, str]:
    """Commits the configuration, makes state and ledger, signs the root; gives the root commit and the ref."""
    state = StateDir(repo.common_dir)
    if state.exists():
        raise UsageError(f"{repo.root} is a target already.", "holdpoint status")
    dirty = repo.dirty()
    if dirty:
        raise UsageError(
            f"The work tree has uncommitted changes ({', '.join(dirty[:3])}).",
            "commit or stash them, then holdpoint init",
        )
    ref = _branch(repo)
    commit = _configured(repo, ref, identity, source, tests)
    text = _config_text(repo, commit)
    config = parse_config(text)
    if config.target.ref != ref:
        raise UsageError(
            f"{CONFIG} protects {config.target.ref!r}, and the checked-out branch is {ref!r}.",
            f"git checkout {config.target.ref}",
        )
    state.create()
    with state.lock("init"):
        ledger = Ledger.open(state.ledger, create=True)
        ledger.append(TargetInitialised(commit=commit, ref=ref, config=sha256(text.encode()), by=person()), now())
        ledger.close()
        _sign_root(repo, identity)
    return commit, ref


def _sign_root(repo: Repo, identity: Identity | None) -> None:
    if identity is None or repo.root is None:
        return
    work = Workspace.open(repo.root, now)
    try:
        note_identity(work, identity.name, identity.private)
        if identity.private is not None:
            record_root(work, identity.name, identity.private)
    finally:
        work.close()


def _configured(
    repo: Repo, ref: str, identity: Identity | None, source: list[str] | None, tests: list[str] | None
) -> str:
    """The commit that has the configuration and the first reviewer; made now unless the tip has both."""
    tip = repo.resolve(f"refs/heads/{ref}")
    written = (repo.root or Path()) / CONFIG
    there = repo.read(tip, CONFIG)
    if there is not None:
        text = there.decode()
    elif written.exists():
        text = written.read_text()
    else:
        found_source, found_tests = (source, tests) if source and tests else discover(repo.files(tip))
        text = render_config(tuple(source or found_source), tuple(tests or found_tests), ref, [])
    if identity is not None and not parse_config(text).reviewers:
        text = set_reviewers(text, [ReviewerEntry(name=identity.name, key=identity.public)])
    parse_config(text)
    if there is not None and text.encode() == there:
        return tip
    commit, _tree = repo.commit_edits(
        tip, {CONFIG: text.encode()}, message="Make this a Holdpoint target", author=person(), branch=None, at=now()
    )
    if there is None and written.exists():
        written.unlink()  # landing writes the file; an untracked one of that name would be in its way
    match repo.land(ref, commit, tip):
        case Moved():
            return commit
        case Stale():
            raise UsageError(f"{ref} moved meanwhile.", "holdpoint init, again")
        case Dirty(paths=paths):
            raise UsageError(f"The work tree has uncommitted changes ({', '.join(paths[:3])}).", "commit or stash them")


def _branch(repo: Repo) -> str:
    branch = repo.current_branch()
    if branch is None:
        raise UsageError("No branch is checked out here.", "git checkout main, then holdpoint init")
    return branch


def _config_text(repo: Repo, commit: str) -> str:
    return (repo.read(commit, CONFIG) or b"").decode()
