"""How approvals travel: the files of the append-only branch holdpoint/approvals; reads and writes nothing itself.

merges/MERGE/statement-REVIEWER.json, .sig    what was signed, and the signature
merges/MERGE/evidence.json, policy.json, proposal.json    what the digests in it name
merges/MERGE/checkpoint.json                  the newest ledger entry that a statement names
roots/COMMIT/statement.json, REVIEWER.sig     who may sign from that commit on
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.gate.statement import Envelope, Predicate, read_statement
from harness.ledger import Head
from harness.records import canonical_json
from harness.repo import is_id

BRANCH = "holdpoint/approvals"
_CORE = ("evidence.json", "policy.json", "proposal.json", "checkpoint.json")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Everything on the branch, sorted by what it is about; `strays` are files that have no place there."""

    merges: Mapping[str, Mapping[str, bytes]]
    roots: Mapping[str, Mapping[str, bytes]]
    strays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Packet:
    """The files of one merge."""

    envelopes: Mapping[str, Envelope]
    evidence: bytes
    policy: bytes
    proposal: bytes
    checkpoint: bytes
    faults: tuple[str, ...]


def sort_files(files: Mapping[str, bytes]) -> Shelf:
    """The branch's files by merge and by root."""
    merges: dict[str, dict[str, bytes]] = {}
    roots: dict[str, dict[str, bytes]] = {}
    strays = []
    for path, data in files.items():
        match path.split("/"):
            case ["merges", commit, name] if is_id(commit):
                merges.setdefault(commit, {})[name] = data
            case ["roots", commit, name] if is_id(commit):
                roots.setdefault(commit, {})[name] = data
            case _:
                strays.append(path)
    return Shelf(merges, roots, tuple(sorted(strays)))


def open_packet(files: Mapping[str, bytes]) -> Packet:
    """One merge's files, told apart by name; what is missing or unknown is named in `faults`."""
    faults = [f"{name} is missing" for name in _CORE if name not in files]
    texts: dict[str, bytes] = {}
    signatures: dict[str, bytes] = {}
    for name, data in files.items():
        if name.startswith("statement-") and name.endswith(".json"):
            texts[name.removeprefix("statement-").removesuffix(".json")] = data
        elif name.startswith("statement-") and name.endswith(".sig"):
            signatures[name.removeprefix("statement-").removesuffix(".sig")] = data
        elif name not in _CORE:
            faults.append(f"{name} does not belong there")
    for name in sorted(texts.keys() ^ signatures.keys()):
        faults.append(f"{name}'s {'signature' if name in texts else 'statement'} is missing")
    envelopes = {
        name: Envelope(
            statement=texts[name].decode("utf-8", "replace"), signature=signatures[name].decode("utf-8", "replace")
        )
        for name in sorted(texts.keys() & signatures.keys())
    }
    evidence, policy, proposal, point = (files.get(name, b"") for name in _CORE)
    return Packet(envelopes, evidence, policy, proposal, point, tuple(faults))


def merge_files(
    merge: str, envelopes: Iterable[tuple[Predicate, Envelope]], evidence: bytes, policy: bytes, proposal: bytes
) -> dict[str, bytes]:
    """The files that one merge adds to the branch."""
    folder = f"merges/{merge}"
    signed = tuple(envelopes)
    core = (evidence, policy, proposal, checkpoint([predicate for predicate, _ in signed]))
    files = {f"{folder}/{name}": data for name, data in zip(_CORE, core, strict=True)}
    for predicate, envelope in signed:
        files[f"{folder}/statement-{predicate.reviewer}.json"] = envelope.statement.encode()
        files[f"{folder}/statement-{predicate.reviewer}.sig"] = envelope.signature.encode()
    return files


def checkpoint(predicates: Iterable[Predicate]) -> bytes:
    """The newest ledger entry that the statements name: signed with them, repeated where readers look for it."""
    newest = max(predicates, key=lambda predicate: (predicate.ledger.index, predicate.issued))
    return canonical_json({"at": newest.issued.isoformat(), "ledger": newest.ledger.model_dump(mode="json")})


def heads(packet: Packet) -> tuple[Head, ...]:
    """The ledger entries that a packet's statements name."""
    read = (read_statement(envelope.statement.encode()) for envelope in packet.envelopes.values())
    return tuple(statement.predicate.ledger for statement in read if not isinstance(statement, str))
