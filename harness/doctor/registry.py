"""All probes, in the order of the table; runs none."""

from typing import Final

from harness.doctor import artifacts, git, kernel, lifetime, network, resource, reviewer, state
from harness.doctor.probe import Probe

PROBES: Final[tuple[Probe, ...]] = (
    *resource.PROBES,
    *network.PROBES,
    *kernel.PROBES,
    *state.PROBES,
    *lifetime.PROBES,
    *artifacts.PROBES,
    *reviewer.PROBES,
    *git.PROBES,
)
