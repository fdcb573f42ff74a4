"""Import in the oracle: the packages in scope are proxy modules; no file of theirs is ever read here."""

import collections.abc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

from . import link, members, mirror
from .stdlib_names import words

LOCAL = words(
    "__name__ __file__ __loader__ __package__ __spec__ __path__ __dict__ __class__ __doc__ __cached__ __builtins__"
)


held_by = types.ModuleType.__dict__["__dict__"].__get__


class ProxyModule(types.ModuleType):
    """A module of the worker. Functions and classes are kept until the worker says that the module changed."""

    def __getattr__(self, name):
        if name.startswith("_hp") or name in link.QUIET:
            raise AttributeError(name)
        if name == "__path__":
            raise AttributeError(f"module {self.__name__!r} has no attribute '__path__'")
        if link.peer().broken and name.startswith("_"):
            raise AttributeError(name)  # pytest asks on while it reports
        value = link.ask("get", self, name)
        if stable(value):
            held_by(self)[name] = value
        return value

    def __setattr__(self, name, value):
        if isinstance(value, types.ModuleType) and value.__name__ == f"{self.__name__}.{name}":
            return  # the import system binds a submodule: the worker has done so, or something else by that name
        held = held_by(self)
        if "_hp_ready" not in held:
            held[name] = value
            return
        if name in ("__loader__", "__path__", "__package__") or is_ours(value, held.get(name)):
            held[name] = value
            return
        if name in LOCAL:
            link.ask("set", self, name, members.Attribute(self, name) if value is held.get(name) else value)
            return
        held.pop(name, None)
        link.ask("set", self, name, value)

    def __delattr__(self, name):
        held = held_by(self)
        if name not in LOCAL:
            held.pop(name, None)
        link.ask("del", self, name)

    def __dir__(self):
        return link.ask("m", self, "__dir__")

    @property
    def __dict__(self):
        return Names(self)

    def refresh(self):
        """Forgets everything that may have changed."""
        held = held_by(self)
        for name in [name for name, value in held.items() if name not in LOCAL and stable(value)]:
            del held[name]


def is_ours(value, held):
    """A specification that the import system made here, for a reload."""
    return isinstance(value, importlib.machinery.ModuleSpec) and value is not held


def stable(value):
    return type(value) is mirror.Function or isinstance(value, mirror.ProxyMeta)


class Names(collections.abc.Mapping):
    """The names of a module of the worker; values are fetched when they are asked for."""

    def __init__(self, module):
        self.module, self.names = module, link.ask("names", module)

    def __getitem__(self, name):
        if name not in self.names:
            raise KeyError(name)
        if name.startswith("__") and name not in LOCAL:
            return link.ask("get", self.module, name)  # not what each module has here, such as a comparison
        return getattr(self.module, name)

    def __iter__(self):
        return iter(self.names)

    def copy(self):
        return dict(self)

    def __len__(self):
        return len(self.names)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """First on sys.meta_path. The base's tests may lie inside of a package in scope: those are files of the oracle."""

    def __init__(self, packages, tests, roots):
        self.packages = frozenset(packages)
        self.tests = tuple(Path(path) for path in tests)
        self.roots = tuple(Path(root) for root in roots)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.packages or self.is_test(name):
            return None
        if target is not None:  # importlib.reload
            return importlib.machinery.ModuleSpec(name, Reloader(target), is_package=hasattr(target, "__path__"))
        told = link.ask("import", name)
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.loader_state = told
        spec.submodule_search_locations = [str(place) for place in self.places(name) if place.is_dir()]
        return spec

    def places(self, name):
        return [root.joinpath(*name.split(".")) for root in self.roots]

    def is_test(self, name):
        for place in self.places(name):
            if place.with_name(place.name + ".py").is_file() or (place / "__init__.py").is_file():
                found = place if place.is_dir() else place.with_name(place.name + ".py")
                return any(found == test or test in found.parents for test in self.tests)
        return False

    def create_module(self, spec):
        return ProxyModule(spec.name)

    def exec_module(self, module):
        held = held_by(module)
        _, package, doc, place, listed, known = module.__spec__.loader_state
        module.__spec__.loader_state = None
        held["__doc__"] = doc
        if place is not None:
            held["__file__"] = place  # asked for by whoever formats a traceback
        if not package:
            held.pop("__path__", None)
            held["__package__"] = module.__name__.rpartition(".")[0]
            module.__spec__.submodule_search_locations = None
        if listed is not None:
            held["__all__"] = list(listed)
        held.update({name: value for name, value in known if value is not ...})
        held["_hp_ready"] = True


class Reloader(importlib.abc.Loader):
    """Reloading happens in the worker."""

    def __init__(self, module):
        self.module = module

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        link.ask("reload", module)
        module.refresh()


def install(packages, tests, roots):
    sys.meta_path.insert(0, Finder(packages, tests, roots))
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]  # pytest's own copy of a package that is judged; pytest keeps what it holds
