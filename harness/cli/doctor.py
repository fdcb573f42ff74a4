"""`holdpoint doctor`: proves the sandbox, git and the screen on this machine's own engine, by attacks and controls."""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.shell import DONE, REFUSED, Shell, shell_of
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.container import Engine, ImageRef
    from harness.doctor.bench import Bench
    from harness.doctor.probe import Probe, ProbeResult


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(command)


def command(
    context: typer.Context,
    group: Annotated[list[str] | None, typer.Option("--group", help="Only this group; may be repeated.")] = None,
    probe: Annotated[list[str] | None, typer.Option("--probe", help="Only this probe; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what every run asks for; some seconds.")] = False,
    runtime: Annotated[str, typer.Option("--runtime", help="The engine's runtime to examine.")] = "runc",
) -> None:
    """Prove the sandbox on this engine: attacks that must fail, each with a control that must succeed.

    Groups: resource, network, kernel, lifetime, artifacts, reviewer, git. Nothing leaves the machine. A probe whose
    control does not succeed proves nothing and is called unproven. Exit code 1 when a probe fell. `run` and `campaign`
    refuse an engine whose last examination failed.
    """
    from harness.doctor.examine import examine
    from harness.doctor.proof import Proofs

    shell = shell_of(context)
    chosen = _chosen(group or [], probe or [], quick=quick)
    began = time.monotonic()
    with _bench(shell, runtime) as bench:
        results = examine(bench, chosen, _Counter(shell, len(chosen)))
        Proofs().keep(bench, results)
        content = _document(bench, results, time.monotonic() - began)
    shell.finish("doctor", content, lambda: _table(chosen, results, content), DONE if content["ok"] else REFUSED)


@contextlib.contextmanager
def _bench(shell: Shell, runtime: str) -> "Iterator[Bench]":
    from harness.container import Engine, ensure_engine, ensure_sandbox_image
    from harness.doctor.bench import Bench

    ensure_engine(shell.progress)
    with (
        Engine.connect() as engine,
        Bench(engine, ensure_sandbox_image(engine, shell.progress), secrets.token_hex(8), runtime) as bench,
    ):
        yield bench


def prove(shell: Shell, engine: "Engine", image: "ImageRef", runtime: str, may_miss: tuple[str, ...]) -> None:
    """Refuses to go on with an engine on which the sandbox is not proven; examines it quickly where nobody has."""
    from harness.doctor.bench import Bench
    from harness.doctor.proof import Proofs, require

    with Bench(engine, image, secrets.token_hex(8), runtime) as bench:
        require(bench, Proofs(), may_miss, shell.progress)


def _chosen(groups: Sequence[str], ids: Sequence[str], *, quick: bool) -> "tuple[Probe, ...]":
    from harness.doctor.probe import GROUPS
    from harness.doctor.registry import PROBES

    for name in groups:
        if name not in GROUPS:
            raise UsageError(f"There is no group {name!r}; the groups are {', '.join(GROUPS)}.", "holdpoint doctor")
    known = {probe.id for probe in PROBES}
    for name in ids:
        if name not in known:
            raise UsageError(f"There is no probe {name!r}.", "holdpoint doctor lists all")
    return tuple(
        probe
        for probe in PROBES
        if (not groups or probe.group in groups) and (not ids or probe.id in ids) and (not quick or probe.quick)
    )


class _Counter:
    """Says how far it is, a line for every tenth probe and for every one that fell; called from several threads."""

    def __init__(self, shell: Shell, total: int) -> None:
        self._shell = shell
        self._total = total
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, result: "ProbeResult") -> None:
        with self._lock:
            self._seen += 1
            if result.fell:
                self._shell.progress(f"{result.id}: {result.attack}: {result.detail}")
            elif self._seen % 10 == 0 or self._seen == self._total:
                self._shell.progress(f"{self._seen} of {self._total} probes")


def _document(bench: "Bench", results: "tuple[ProbeResult, ...]", seconds: float) -> dict[str, Any]:
    from harness.doctor.proof import sound

    return {
        "engine": bench.engine.info.model_dump(mode="json"),
        "image": bench.image.id,
        "profile": bench.profile().digest,
        "probes": results,
        "held": sum(result.held for result in results),
        "unproven": sum(result.control == "unproven" and not result.fell for result in results),
        "fell": sum(result.fell for result in results),
        "total": len(results),
        "ok": sound(results),
        "seconds": round(seconds, 1),
    }


def _table(probes: "Sequence[Probe]", results: "Sequence[ProbeResult]", content: dict[str, Any]) -> str:
    width = max((len(result.id) for result in results), default=0)
    lines = []
    for probe, result in zip(probes, results, strict=True):
        word = (
            "held" if result.held else "FELL" if result.attack == "fired" else "UNTRIED" if result.fell else "unproven"
        )
        lines.append(f"{result.id:<{width}}  {word:<8}  {probe.tries}")
        if result.fell:
            lines.append(f"{'':<{width}}            attack: {result.detail}")
        if result.control == "unproven":
            lines.append(f"{'':<{width}}            control ({probe.control_is}): {result.control_detail}")
    closing = (
        f"{content['held']} of {content['total']} probes held, {content['unproven']} unproven, {content['fell']} fell"
    )
    lines.append(f"{closing}; {content['seconds']:.0f} s")
    if not content["ok"]:
        lines.append("next: mend the engine's settings and run holdpoint doctor again; run and campaign refuse it so")
    return "\n".join(lines)
