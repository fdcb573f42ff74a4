"""What every trial of one run shares, and how one becomes a record; decides nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from harness.container import ContainerSpec, Finished, ImageRef, Limits, guest_argv, profile_for
from harness.records import Arm, TrialRecord, sha256
from harness.target import TargetConfig

JUDGE: Final = "/judge"
WORK: Final = "/work"

Read = Callable[[str, tuple[str, ...]], Mapping[str, bytes]]


@dataclass(frozen=True)
class TrialInputs:
    """One run: the base and the merge that would land, the base's configuration, and the two images.

    `judge` is the image with the base's tree at /judge whose editable scope links into /work. `read(commit,
    patterns)` gives plain files of a commit. `arch` is the engine's.
    """

    base_commit: str
    merge_commit: str
    config: TargetConfig
    image: ImageRef
    judge: ImageRef
    run_id: str
    read: Read
    arch: str = "x86_64"

    def commit(self, arm: Arm) -> str:
        """The commit that stands for the arm."""
        return self.base_commit if arm == "baseline" else self.merge_commit

    def spec(
        self,
        image: ImageRef,
        role: str,
        warm: tuple[str, ...] = (),
        timeout: float | None = None,
        output: int | None = None,
        *,
        talks: bool = False,
    ) -> ContainerSpec:
        """A container under the base's limits; `timeout` (seconds) and `output` (bytes) replace the configured ones."""
        sandbox = self.config.sandbox
        limits = Limits(
            timeout=sandbox.timeout if timeout is None else timeout,
            memory=sandbox.memory,
            cpus=sandbox.cpus,
            pids=sandbox.pids,
            output=sandbox.output if output is None else output,
        )
        return ContainerSpec(
            image=image.id,
            argv=guest_argv(image),
            profile=profile_for(limits, sandbox.runtime, self.arch),
            run_id=self.run_id,
            role=role,
            env={"HOLDPOINT_WARM": ",".join(warm)} if warm else {},
            talks=talks,
        )

    def roots(self) -> tuple[str, ...]:
        """Import roots below /judge for the base's source: the folders that hold its outermost packages."""
        sources = self.config.target.source
        above = {f"{folder}/__init__.py" for path in sources for folder in _folders(path)}
        packages = self.read(self.base_commit, tuple(sorted(above)))
        return import_roots(sources, lambda folder: f"{folder}/__init__.py" in packages, JUDGE)


def scope_links(sources: tuple[str, ...]) -> dict[str, str]:
    """The links of a judge image: each path of the editable scope leads to where the arm's files arrive."""
    return {path: f"{WORK}/{path}" for path in sources}


def import_roots(sources: tuple[str, ...], is_package: Callable[[str], bool], top: str) -> tuple[str, ...]:
    """Where imports of the source start: a plain folder itself, else the folder above the outermost package."""
    found: dict[str, None] = {}
    for path in sources:
        folder = path
        if path.endswith(".py"):
            folder = path.rpartition("/")[0]
        while folder and is_package(folder):
            folder = folder.rpartition("/")[0]
        found[f"{top}/{folder}" if folder else top] = None
    return tuple(found)


def trial_record(
    arm: Arm,
    purpose: Literal["tests", "metric"],
    spec: ContainerSpec,
    finished: Finished,
    stdout: bytes | None = None,
) -> TrialRecord:
    """The record of one ended container; `stdout` stands in for a stream that was read as lines."""
    return TrialRecord(
        arm=arm,
        purpose=purpose,
        image=spec.image,
        profile=spec.profile.digest,
        argv=spec.argv,
        state=finished.state,
        stdout=sha256(finished.stdout if stdout is None else stdout),
        stderr=sha256(finished.stderr),
    )


def parse_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line from a guest, or None: too deep, too long a number, NaN, or no object at all."""
    try:
        value = _DECODER.decode(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def clean(text: str) -> str:
    """Text from a guest as text that can be encoded: lone surrogates become visible escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)  # made once: relays read thousands of lines a second
