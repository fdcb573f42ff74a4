"""The only user of the container engine: profile, sessions, images, clean-up."""

from harness.container.api import (
    ImageMissingFault,
    NoEngineFault,
    NoPermissionFault,
    OldEngineFault,
    RuntimeMissingFault,
)
from harness.container.artifacts import Artifact, ArtifactLimits, ArtifactReader, Refused
from harness.container.engine import ContainerSpec, Engine, EngineInfo
from harness.container.ensure import ensure_engine
from harness.container.guest import ENTRY_FAILED, ImageRef, guest_argv, run_batch, stream
from harness.container.layers import judge_image
from harness.container.lease import reap
from harness.container.lock import check_lock
from harness.container.pool import Pool
from harness.container.profile import Limits, Profile, profile_for
from harness.container.sandbox import ensure_sandbox_image
from harness.container.seccomp import own_list
from harness.container.session import Ended, Finished, Line, Overflow, Reading, Session, Silence
from harness.container.usage import Usage

__all__ = [
    "ENTRY_FAILED",
    "Artifact",
    "ArtifactLimits",
    "ArtifactReader",
    "ContainerSpec",
    "Ended",
    "Engine",
    "EngineInfo",
    "Finished",
    "ImageMissingFault",
    "ImageRef",
    "Limits",
    "Line",
    "NoEngineFault",
    "NoPermissionFault",
    "OldEngineFault",
    "Overflow",
    "Pool",
    "Profile",
    "Reading",
    "Refused",
    "RuntimeMissingFault",
    "Session",
    "Silence",
    "Usage",
    "check_lock",
    "ensure_engine",
    "ensure_sandbox_image",
    "guest_argv",
    "judge_image",
    "own_list",
    "profile_for",
    "reap",
    "run_batch",
    "stream",
]
