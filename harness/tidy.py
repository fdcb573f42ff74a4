"""Finds and removes what nothing needs any more: containers, images, results, bytes, files; never what is in use.

Needed is what the ledger leads to, step by step, and what was used not long ago. Everything removed here is either
out of reach for good or made again when it is asked for.
"""

import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from harness.container import Engine
from harness.container.images import left_layers, remove_images, unused_images
from harness.container.lease import orphans
from harness.container.wheels import cache_folder
from harness.records import Removal, RemovedKind, canonical_json
from harness.scratch import sweep
from harness.workspace import Workspace

_DIGEST: Final = re.compile(rb"sha256:[0-9a-f]{64}")
_FRESH: Final = 3600.0  # seconds in which bytes may be waiting for the entry that names them
_DONE: Final = frozenset({"merged", "refused", "rejected"})


def tidy(engine: Engine | None, work: Workspace | None, age: float, *, dry: bool) -> tuple[Removal, ...]:
    """Removes what is not needed and was not used for `age` seconds; hold the target's lock.

    Without an engine, or without a target, that part is left out.
    """
    found: list[Removal] = []
    if engine is not None:
        found += _containers(engine, dry=dry)
        found += _images(engine, _needed_images(work), age, dry=dry)
    for place in _places(work):
        found += [_removal("file", path, "its process is gone") for path in sweep(place, dry=dry)]
    if work is not None:
        found += _results(work, age, dry=dry)
        found += _evidence(work, dry=dry)
    return tuple(found)


def _removal(kind: RemovedKind, name: str, why: str) -> Removal:
    return Removal(kind=kind, name=name, why=why)


def _places(work: Workspace | None) -> tuple[Path, ...]:
    return (Path(gettempdir()), cache_folder(), *(work.scratch_places() if work is not None else ()))


def _containers(engine: Engine, *, dry: bool) -> Iterator[Removal]:
    for container in orphans(engine):
        if not dry:
            engine.remove(container)
        yield _removal("container", container, "its harness is gone")


def _images(engine: Engine, needed: Collection[str], age: float, *, dry: bool) -> Iterator[Removal]:
    now = time.time()
    for image in unused_images(engine, needed, now, age):
        if dry or remove_images(engine, (image.tag,)):
            yield _removal("image", image.tag, f"not used for {(now - image.used) / 86400:.0f} days")
    for layer in left_layers(engine, now):
        if dry or remove_images(engine, (layer,)):
            yield _removal("image", layer, "left by a build that was broken off")


def _needed_images(work: Workspace | None) -> frozenset[str]:
    """The images that the evidence of undecided proposals names: a run that goes on should find them."""
    if work is None:
        return frozenset()
    found: set[str] = set()
    for view in work.ledger.state.proposals.values():
        if view.state not in _DONE and view.run is not None and view.run.evidence is not None:
            evidence = work.store.evidence(view.run.evidence)
            found |= {evidence.image, *(trial.image for trial in evidence.trials)}
    return frozenset(found)


def _results(work: Workspace, age: float, *, dry: bool) -> Iterator[Removal]:
    """Cached results of bases that nobody asks about; they are measured again when somebody does."""
    now = time.time()
    for path in sorted((work.state.root / "cache").glob("*")):
        idle = now - path.stat().st_mtime
        if path.is_file() and idle > age:
            if not dry:
                path.unlink(missing_ok=True)
            yield _removal("result", path.name, f"not used for {idle / 86400:.0f} days")


def _evidence(work: Workspace, *, dry: bool) -> Iterator[Removal]:
    """Bytes that no entry leads to: of runs that a crash cut off before their outcome was written."""
    needed = reachable(work)
    for digest in work.store.older_than(time.time() - _FRESH):
        if digest not in needed:
            if not dry:
                work.store.discard(digest)
            yield _removal("evidence", digest, "no ledger entry leads to it")


def reachable(work: Workspace) -> frozenset[str]:
    """Every digest that the ledger names, and that what it names names in turn: too many rather than too few."""
    found: set[str] = set()
    waiting = [canonical_json(entry.event) for entry in work.ledger.entries()]
    while waiting:
        for match in _DIGEST.findall(waiting.pop()):
            digest = match.decode()
            if digest not in found:
                found.add(digest)
                data = work.store.peek(digest)
                if data is not None:
                    waiting.append(data)
    return frozenset(found)
