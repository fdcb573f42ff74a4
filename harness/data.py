"""Finds the data folders in an installed wheel and in a checkout."""

from pathlib import Path
from typing import Final, Literal

from harness.errors import EnvironmentFault

_PACKAGE = Path(__file__).resolve().parent
_ELSEWHERE: Final = {"corpus": "tests/hostile/verdict"}  # in a checkout


def data_dir(name: Literal["sandbox", "policies", "proposals", "examples", "corpus"]) -> Path:
    """The folder's path; the wheel carries a copy below the package, a checkout has it beside the package."""
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / _ELSEWHERE.get(name, name)):
        if place.is_dir():
            return place
    raise EnvironmentFault(f"holdpoint's data folder {name!r} is missing.", "reinstall holdpoint from its wheel")
