"""Finds the data folders (sandbox, policies, proposals, examples) in an installed wheel and in a checkout."""

from pathlib import Path
from typing import Literal

from harness.errors import EnvironmentFault

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: Literal["sandbox", "policies", "proposals", "examples"]) -> Path:
    """The folder's path; the wheel carries a copy below the package, a checkout has it beside the package."""
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise EnvironmentFault(f"holdpoint's data folder {name!r} is missing.", "reinstall holdpoint from its wheel")
