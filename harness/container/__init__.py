"""The only user of the container engine: profile, sessions, images, clean-up."""

from harness.container.api import NoEngineFault
from harness.container.engine import ContainerSpec, Engine, EngineInfo
from harness.container.ensure import ensure_engine
from harness.container.guest import ENTRY_FAILED, ImageRef, guest_argv, run_batch, stream
from harness.container.layers import judge_image
from harness.container.lease import reap
from harness.container.lock import check_lock
from harness.container.pool import Pool
from harness.container.profile import Limits, Profile, profile_for
from harness.container.sandbox import ensure_sandbox_image
from harness.container.session import Ended, Finished, Line, Overflow, Reading, Session, Silence

__all__ = [
    "ENTRY_FAILED",
    "ContainerSpec",
    "Ended",
    "Engine",
    "EngineInfo",
    "Finished",
    "ImageRef",
    "Limits",
    "Line",
    "NoEngineFault",
    "Overflow",
    "Pool",
    "Profile",
    "Reading",
    "Session",
    "Silence",
    "check_lock",
    "ensure_engine",
    "ensure_sandbox_image",
    "guest_argv",
    "judge_image",
    "profile_for",
    "reap",
    "run_batch",
    "stream",
]
