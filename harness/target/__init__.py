"""A target's holdpoint.toml and state directory; knows no git, no engine and no database."""

from harness.target.config import (
    CONFIG_NAME,
    AgentSection,
    BenchEntry,
    MetricEntry,
    PolicySection,
    ReviewerEntry,
    SandboxSection,
    SelfSection,
    TargetConfig,
    TargetSection,
)
from harness.target.discover import discover
from harness.target.parse import parse_config
from harness.target.render import render_config, set_reviewers
from harness.target.state import StateDir

__all__ = [
    "CONFIG_NAME",
    "AgentSection",
    "BenchEntry",
    "MetricEntry",
    "PolicySection",
    "ReviewerEntry",
    "SandboxSection",
    "SelfSection",
    "StateDir",
    "TargetConfig",
    "TargetSection",
    "discover",
    "parse_config",
    "render_config",
    "set_reviewers",
]
