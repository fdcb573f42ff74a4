"""The only user of git: reads, commits, merges and moves branches; runs no code that the target names."""

from harness.repo.history import Commit
from harness.repo.landing import Dirty, Moved, Stale
from harness.repo.names import branch_ref, is_id, matches
from harness.repo.objects import GITLINK as _GITLINK
from harness.repo.repository import Conflict, Merged, Repo
from harness.repo.trees import TreeEntry

GITLINK = _GITLINK.decode()
"""The mode of a submodule's entry, as `TreeEntry.mode` has it."""

__all__ = [
    "GITLINK",
    "Commit",
    "Conflict",
    "Dirty",
    "Merged",
    "Moved",
    "Repo",
    "Stale",
    "TreeEntry",
    "branch_ref",
    "is_id",
    "matches",
]
