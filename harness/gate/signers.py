"""The signers file that a verifier brings: OpenSSH allowed_signers lines, read more strictly than OpenSSH does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from harness.gate.root import Root, RootChain
from harness.gate.signing import APPROVAL, DECISION, ROOT
from harness.target import ReviewerEntry
from harness.text import visible_line

_LINE = re.compile(
    r'(?P<name>\S+) +(?:namespaces="(?P<spaces>[^"]*)" +)?(?P<kind>[a-z0-9@.-]+) +(?P<key>[A-Za-z0-9+/=]+)(?: .*)?'
)


@dataclass(frozen=True, slots=True)
class Signers:
    """Who the verifier trusts, by name and key."""

    entries: tuple[ReviewerEntry, ...]


def signers_lines(reviewers: Iterable[ReviewerEntry]) -> bytes:
    """A signers file for these reviewers, restricted to our purposes."""
    spaces = f"{APPROVAL},{ROOT},{DECISION}"
    return "".join(f'{entry.name} namespaces="{spaces}" {entry.key}\n' for entry in reviewers).encode()


def read_signers(data: bytes) -> Signers | str:
    """The signers in the file, or the first line that is wrong; whatever is not understood is wrong."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "the signers file is not UTF-8"
    entries: list[ReviewerEntry] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        entry = _entry(line)
        if isinstance(entry, str):
            return f"line {number} of the signers file {entry}: {visible_line(line, 60)}"
        if any(entry.name == known.name or entry.key == known.key for known in entries):
            return f"line {number} of the signers file repeats a name or a key"
        entries.append(entry)
    return Signers(tuple(entries)) if entries else "the signers file names nobody"


def _entry(line: str) -> ReviewerEntry | str:
    found = _LINE.fullmatch(line)
    if found is None or not line.isprintable():
        return "is not `NAME TYPE KEY` (an option other than namespaces is not supported)"
    spaces = {APPROVAL, ROOT} if found["spaces"] is None else set(found["spaces"].split(","))
    if {APPROVAL, ROOT} - spaces or spaces - {APPROVAL, ROOT, DECISION}:
        return f"does not name the namespaces {APPROVAL}, {ROOT} (and perhaps {DECISION}), or names others"
    try:
        return ReviewerEntry(name=found["name"], key=f"{found['kind']} {found['key']}")
    except ValidationError:
        return "holds no name and key that could be a reviewer's"


def anchored(signers: Signers, chain: RootChain) -> str:
    """Why the roots do not rest on these signers; "" when one names exactly them and one of them signed it."""
    if any(_names(root, signers) for root in chain.roots):
        if any(_names(root, signers) and _signed_by(root, signers) for root in chain.roots):
            return ""
        return "no signer in the signers file signed the root that names them"
    return "the signers file does not agree with the reviewers of holdpoint.toml at any signed root"


def _names(root: Root, signers: Signers) -> bool:
    return {(one.name, one.key) for one in root.statement.reviewers} == {(one.name, one.key) for one in signers.entries}


def _signed_by(root: Root, signers: Signers) -> bool:
    return bool({one.name for one in signers.entries} & set(root.signers))
