"""What was proven of which engine, kept for the user; and the door that lets no trial onto an engine without it.

An engine is known by its id and version, the kernel, the profile's settings and the sandbox image: when one of them
changes, what was proven holds no more. Engine ids alone are not unique: copies of a machine share them.
"""

import os
import platform
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from harness.doctor.bench import Bench
from harness.doctor.examine import examine
from harness.doctor.probe import Probe, ProbeResult
from harness.doctor.registry import PROBES
from harness.errors import EnvironmentFault, RefusedError
from harness.records import Record, canonical_json, sha256

MOST_UNPROVEN: Final = 6


class Proof(Record):
    """The last result of every probe that was tried on one engine; a probe tried again replaces its older result."""

    engine: str
    version: str
    kernel: str
    profile: str
    image: str
    at: datetime
    results: tuple[ProbeResult, ...]

    def with_results(self, results: Iterable[ProbeResult], at: datetime) -> "Proof":
        """This proof with newer results in it."""
        merged = {result.id: result for result in (*self.results, *results)}
        return self.model_copy(update={"results": tuple(merged.values()), "at": at})


def sound(results: Iterable[ProbeResult]) -> bool:
    """Whether nothing fell and at most `MOST_UNPROVEN` controls did not fire."""
    results = tuple(results)
    unproven = sum(result.control == "unproven" for result in results)
    return bool(results) and not any(result.fell for result in results) and unproven <= MOST_UNPROVEN


def quick_probes() -> tuple[Probe, ...]:
    """The subset without which no trial starts."""
    return tuple(probe for probe in PROBES if probe.quick)


class Proofs:
    """The folder of proofs, one file an engine; a file that cannot be read counts as no proof."""

    def __init__(self, folder: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self._folder = folder or home / "holdpoint" / "doctor"

    def of(self, bench: Bench) -> Proof:
        """What is known of the bench's engine; a proof without results when nothing is."""
        blank = _blank(bench)
        try:
            found = Proof.model_validate_json(self._path(blank).read_bytes())
        except (FileNotFoundError, ValidationError):
            return blank
        except OSError as error:
            raise EnvironmentFault(
                f"the doctor's record {self._path(blank)} cannot be read ({error.strerror}).", "fix its permissions"
            ) from error
        return found if _name(found) == _name(blank) else blank

    def keep(self, bench: Bench, results: Iterable[ProbeResult]) -> Proof:
        """Adds results to what is known of the bench's engine, and answers it."""
        proof = self.of(bench).with_results(results, datetime.now(UTC))
        path = self._path(proof)
        partial = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_text(proof.model_dump_json())
            partial.rename(path)
        except OSError as error:
            raise EnvironmentFault(
                f"the doctor's record {path} cannot be written ({error.strerror}).",
                "make room or fix the permissions, or point XDG_STATE_HOME elsewhere",
            ) from error
        return proof

    def every(self) -> tuple[Proof, ...]:
        """What is known of all engines that this user examined, the latest first."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(Proof.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError):
                continue  # cannot be read: no proof
        return tuple(sorted(found, key=lambda proof: proof.at, reverse=True))

    def _path(self, proof: Proof) -> Path:
        return self._folder / f"{_name(proof).removeprefix('sha256:')[:32]}.json"


def require(bench: Bench, proofs: Proofs, may_miss: tuple[str, ...], report: Callable[[str], None]) -> Proof:
    """The engine's proof; runs the quick probes where they are missing.

    RefusedError when a probe fell, unless all settings that it falls without are in `may_miss` (the policy's word).
    """
    proof = proofs.of(bench)
    known = {result.id for result in proof.results}
    missing = tuple(probe for probe in quick_probes() if probe.id not in known)
    if missing:
        report(f"examining the engine with {len(missing)} quick probes, once (holdpoint doctor tries all)")
        proof = proofs.keep(bench, examine(bench, missing))
    fallen = [result for result in proof.results if result.fell and not _tolerated(result, may_miss)]
    if fallen:
        first = fallen[0]
        raise RefusedError(
            f"the sandbox is not safe on this engine: {len(fallen)} of {len(proof.results)} probes fell, "
            f"{first.id} among them ({first.detail}).",
            f"holdpoint doctor --group {first.group} shows them; mend the engine, or let the policy name what may be "
            "missing (may_miss)",
        )
    return proof


def _tolerated(result: ProbeResult, may_miss: tuple[str, ...]) -> bool:
    return bool(result.settings) and set(result.settings) <= set(may_miss)


def _blank(bench: Bench) -> Proof:
    info = bench.engine.info
    return Proof(
        engine=info.id,
        version=info.version,
        kernel=f"{platform.release()} {platform.machine()}" if info.host.startswith("unix:") else info.host,
        profile=bench.profile().digest,
        image=bench.image.id,
        at=datetime.now(UTC),
        results=(),
    )


def _name(proof: Proof) -> str:
    return sha256(canonical_json(proof.model_dump(mode="json", exclude={"at", "results"})))
