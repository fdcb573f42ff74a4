"""What cleaning up takes away."""

from typing import Literal

from harness.records.frozen import Record

RemovedKind = Literal["container", "image", "result", "evidence", "file"]


class Removal(Record):
    """One thing that went, or would go if asked, and why."""

    kind: RemovedKind
    name: str
    why: str
