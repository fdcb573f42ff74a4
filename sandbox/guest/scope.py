"""Where the packages in scope are imported from, whatever the image has installed by their names; it imports none."""

import importlib.abc
import importlib.machinery
import sys
from pathlib import Path


class Scope(importlib.abc.MetaPathFinder):
    """The packages in scope come from the arm's tree and from nowhere else, whatever the image has by that name."""

    def __init__(self, packages, roots):
        self.packages, self.roots = frozenset(packages), list(roots)

    def find_spec(self, name, path=None, target=None):
        if name not in self.packages:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, self.roots)
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


def prefer(packages, roots, sites):
    """Before the tests: what pytest brought along by the name of a package in scope is not what they test."""
    named = {name for name in packages for site in sites if installed(name, Path(site))}
    if named:
        for name in [name for name in sys.modules if name.partition(".")[0] in named]:
            del sys.modules[name]  # pytest keeps what it holds
        sys.meta_path.insert(0, Scope(named, roots))


def installed(name, site):
    return (site / name).is_dir() or (site / f"{name}.py").is_file()
