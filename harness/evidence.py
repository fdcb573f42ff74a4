"""The evidence store: bytes named by their SHA-256, durable once acknowledged; it deletes none by itself."""

import os
import re
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from harness.errors import EnvironmentFault, IntegrityError
from harness.records import Evidence, canonical_json, sha256
from harness.scratch import write_whole

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{2})([0-9a-f]{62})")


class EvidenceStore:
    """A folder of read-only files; equal content is stored once, several processes may write at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest; on return they have reached the disk."""
        digest = sha256(data)
        path = self._path(digest)
        if not self._sound(path, digest):
            try:
                _write(path, data, self.root)
            except OSError as error:
                raise EnvironmentFault(
                    f"evidence could not be written below {self.root}: {error.strerror or error}.",
                    "make room or fix the permissions, then run the command again",
                ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a digest; IntegrityError when they are missing or do not match it."""
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise IntegrityError(
                f"the evidence store holds nothing for {digest}.",
                "restore the state directory from a copy, or run the proposal again",
            ) from error
        except OSError as error:
            raise EnvironmentFault(
                f"evidence {digest} cannot be read: {error.strerror or error}.", "fix the permissions"
            ) from error
        if sha256(data) != digest:
            raise IntegrityError(
                f"the stored bytes of {digest} have changed: they now hash to {sha256(data)}.",
                "restore the state directory from a copy; do not trust this run",
            )
        return data

    def put_evidence(self, evidence: Evidence) -> str:
        """Store an evidence record as canonical JSON; its digest is what an approval binds."""
        return self.put(canonical_json(evidence))

    def evidence(self, digest: str) -> Evidence:
        """The evidence record of a digest; IntegrityError when the bytes are not one."""
        data = self.get(digest)
        try:
            evidence = Evidence.model_validate_json(data)
        except ValidationError as error:
            raise IntegrityError(
                f"{digest} is no evidence record: {error.error_count()} fields are wrong.",
                "check which harness version wrote it",
            ) from error
        return evidence

    def peek(self, digest: str) -> bytes | None:
        """The bytes of a digest as they lie there, unchecked; None when there are none."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def older_than(self, moment: float) -> tuple[str, ...]:
        """The digests of what was written before `moment` (seconds since the epoch)."""
        return tuple(
            f"sha256:{path.parent.name}{path.name}"
            for path in sorted(self.root.glob("[0-9a-f][0-9a-f]/*"))
            if _DIGEST.fullmatch(f"sha256:{path.parent.name}{path.name}") and path.stat().st_mtime < moment
        )

    def discard(self, digest: str) -> None:
        """Removes what no entry of the ledger leads to; only `harness.tidy` knows what that is."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise IntegrityError(f"{digest[:80]!r} is no SHA-256 digest.", "use a digest that holdpoint printed")
        return self.root / match[1] / match[2]

    def _sound(self, path: Path, digest: str) -> bool:
        """Whether the content is there and whole; a torn or altered file is written again."""
        try:
            return sha256(path.read_bytes()) == digest
        except OSError:
            return False


def _write(path: Path, data: bytes, place: Path) -> None:
    """Whole or not at all, folder included: a crash leaves the old state or the new."""
    fresh = not path.parent.is_dir()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, place=place, mode=0o444)
    _sync(path.parent)
    if fresh:
        _sync(path.parent.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
