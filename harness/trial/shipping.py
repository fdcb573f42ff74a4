"""Which packages a worker serves and which files of an arm it gets for that: importable source, never a test; pure
apart from reading commits.
"""

from collections.abc import Iterable
from typing import Final

from harness.records import Record
from harness.repo import matches
from harness.trial.inputs import JUDGE, WORK, TrialInputs

_NEVER: Final = ("conftest.py", "setup.py", "noxfile.py", "tasks.py", "sitecustomize.py", "usercustomize.py")


class Shipment(Record):
    """Top-level import names in scope, the import roots in the worker, and the base's files around the scope."""

    packages: tuple[str, ...]
    roots: tuple[str, ...]
    around: dict[str, bytes]


def shipment(inputs: TrialInputs) -> Shipment:
    """What every worker on this base gets; an arm adds its own files of the editable scope."""
    sources = inputs.config.target.source
    folders = tuple(root.removeprefix(JUDGE).lstrip("/") for root in inputs.roots())
    whole = "" in folders
    base = inputs.read(inputs.base_commit, ("**",) if whole else tuple(dict.fromkeys((*folders, *sources))))
    packages = {
        name for path in base if matches(path, sources) for name in [_top(path, folders)] if name.isidentifier()
    }
    return Shipment(
        packages=tuple(sorted(packages)),
        roots=tuple(f"{WORK}/{folder}" if folder else WORK for folder in folders),
        around={
            path: data
            for path, data in base.items()
            if not matches(path, sources) and _importable(path, folders, packages, inputs)
        },
    )


def _top(path: str, folders: Iterable[str]) -> str:
    """The top-level import name that a path belongs to: below the innermost root that holds it."""
    fitting = [folder for folder in folders if not folder or path.startswith(f"{folder}/")]
    if not fitting:
        return ""
    innermost = max(fitting, key=len)
    first, *rest = path.removeprefix(innermost).lstrip("/").split("/")
    return first if rest else first.removesuffix(".py") if first.endswith(".py") else ""


def _importable(path: str, folders: tuple[str, ...], packages: set[str], inputs: TrialInputs) -> bool:
    """Whether a file may go to a worker: at the top of a repository only what is in scope, never what judges."""
    name = path.rpartition("/")[2]
    config = inputs.config
    judges = (
        *config.target.tests,
        *(metric.run for metric in config.metrics if metric.run),
        *(path for bench in config.benches for path in (bench.judge, *bench.files)),
    )
    if name in _NEVER or name.startswith("test_") or name.endswith("_test.py") or matches(path, judges):
        return False
    below = [folder for folder in folders if folder and path.startswith(f"{folder}/")]
    return bool(below) or _top(path, folders) in packages
