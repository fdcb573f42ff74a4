"""Probes of tricks by way of git: real repositories in scratch folders, read by `harness.repo` and by plain git.

What is tried is everything that the harness does to a target; the controls are the git commands a person would use.
"""

from typing import Final

from harness.doctor.git import acts, shown
from harness.doctor.probe import Probe

PROBES: Final[tuple[Probe, ...]] = (*shown.PROBES, *acts.PROBES)
