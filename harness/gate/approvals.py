"""How approvals travel: the files of the append-only branch holdpoint/approvals; reads and writes nothing itself.

merges/MERGE/statement-REVIEWER.json, .sig    what was signed, and the signature
merges/MERGE/evidence.json, policy.json, proposal.json    what the digests in it name
merges/MERGE/checkpoint.json                  the newest ledger entry that a statement names
roots/COMMIT/statement.json, REVIEWER.sig     who may sign from that commit on
revocations/MERGE/REVIEWER-NONCE.json, .sig   an approval taken back, before its merge
bypasses/COMMIT/REVIEWER.json, .sig           a commit that landed without approval, declared by so many reviewers
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.gate.statement import Envelope, Predicate
from harness.records import canonical_json
from harness.repo import is_id

BRANCH = "holdpoint/approvals"
_CORE = ("evidence.json", "policy.json", "proposal.json", "checkpoint.json")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Everything on the branch, sorted by what it is about; `strays` are files that have no place there."""

    merges: Mapping[str, Mapping[str, bytes]]
    roots: Mapping[str, Mapping[str, bytes]]
    revocations: Mapping[str, Mapping[str, bytes]]
    bypasses: Mapping[str, Mapping[str, bytes]]
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
    kinds: dict[str, dict[str, dict[str, bytes]]] = {"merges": {}, "roots": {}, "revocations": {}, "bypasses": {}}
    strays = []
    for path, data in files.items():
        match path.split("/"):
            case [kind, commit, name] if kind in kinds and is_id(commit):
                kinds[kind].setdefault(commit, {})[name] = data
            case _:
                strays.append(path)
    return Shelf(**kinds, strays=tuple(sorted(strays)))


def pairs(files: Mapping[str, bytes]) -> tuple[dict[str, Envelope], tuple[str, ...]]:
    """Statements with their signatures by the names they share, and what has no pair or no place."""
    texts = {name.removesuffix(".json"): data for name, data in files.items() if name.endswith(".json")}
    signatures = {name.removesuffix(".sig"): data for name, data in files.items() if name.endswith(".sig")}
    odd = [name for name in files if not name.endswith((".json", ".sig"))]
    odd += [f"{name}'s {'signature' if name in texts else 'statement'}" for name in texts.keys() ^ signatures.keys()]
    return (
        {
            name: Envelope(
                statement=texts[name].decode("utf-8", "replace"), signature=signatures[name].decode("utf-8", "replace")
            )
            for name in sorted(texts.keys() & signatures.keys())
        },
        tuple(sorted(odd)),
    )


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
    return canonical_json({"at": newest.issued.isoformat(), "ledger": dataclasses.asdict(newest.ledger)})
