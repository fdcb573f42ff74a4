"""Runs probes side by side and says how each went; a fault of one probe is that probe's result, never the end."""

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, assert_never

from harness.doctor.bench import Bench
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe, ProbeResult, Unclear
from harness.errors import HoldpointError

_HANDS: Final = 4  # most of a probe is waiting


def examine(
    bench: Bench, probes: Sequence[Probe], seen: Callable[[ProbeResult], None] = lambda _result: None
) -> tuple[ProbeResult, ...]:
    """The results in the order of `probes`; `seen` is called from any thread as each is known."""

    def one(probe: Probe) -> ProbeResult:
        result = examine_one(bench, probe)
        seen(result)
        return result

    together = [probe for probe in probes if not probe.alone]
    with ThreadPoolExecutor(_HANDS, thread_name_prefix="holdpoint-probe") as hands:
        found = dict(zip((probe.id for probe in together), hands.map(one, together), strict=True))
    found |= {probe.id: one(probe) for probe in probes if probe.alone}
    return tuple(found[probe.id] for probe in probes)


def examine_one(bench: Bench, probe: Probe) -> ProbeResult:
    """Attack first, control second: a control never prepares the ground for the attack.

    What could not be tried is tried once more, since a busy machine is no finding; an attack that worked never is.
    """
    began = time.monotonic()
    attack = _tried(probe.attack, bench)
    if isinstance(attack, Unclear):
        attack = _tried(probe.attack, bench)
    control = _tried(probe.control, bench)
    if isinstance(attack, Blocked) and not isinstance(control, Fired):
        control = _tried(probe.control, bench)
    fired = isinstance(control, Fired)
    return ProbeResult(
        id=probe.id,
        group=probe.group,
        held=isinstance(attack, Blocked) and fired,
        attack=_word(attack),
        control="fired" if fired else "unproven",
        detail=attack.detail,
        control_detail=control.detail,
        settings=probe.settings,
        seconds=round(time.monotonic() - began, 3),
    )


def _word(outcome: Outcome) -> Literal["blocked", "fired", "unclear"]:
    match outcome:
        case Fired():
            return "fired"
        case Blocked():
            return "blocked"
        case Unclear():
            return "unclear"
        case _:
            assert_never(outcome)


def _tried(act: Act, bench: Bench) -> Outcome:
    try:
        return act(bench)
    except HoldpointError as error:
        return Unclear(detail=error.message)
    except (OSError, subprocess.SubprocessError) as error:
        return Unclear(detail=f"{type(error).__name__}: {error}")
