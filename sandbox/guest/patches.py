"""What the tests put in the place of names of the standard library, and how a worker is told; it knows no message.

The modules themselves say which of their names was set or deleted: their class does. `sys` is compared with what it
was, and so are `sys.modules` and `sys.implementation`: the class of `sys` is that of all modules to come. What reaches
descriptors, attributes or code is never told, as the test's function may go on to the real one; nor is what pytest
changes by itself, or what cannot cross. The worker then goes on with what it has.
"""

import copy
import importlib
import sys
import types

from .shared import same
from .stdlib_names import words
from .wire import SHARED

ABSENT = object()
MODULES = "sys.modules"
COMPARED = {"sys": vars(sys), MODULES: sys.modules, "sys.implementation": vars(sys.implementation)}
PYTESTS = words(
    "sys.stdout sys.stderr sys.argv sys.path sys.modules sys.meta_path sys.path_hooks sys.path_importer_cache "
    "sys.last_type sys.last_value sys.last_traceback sys.last_exc sys.excepthook sys.unraisablehook sys.displayhook "
    "sys.dont_write_bytecode threading.excepthook os.environ"
)
LOW = frozenset(
    f"os.{name}"
    for name in words(
        "write writev pwrite pwritev read readv pread preadv open fdopen dup dup2 close closerange sendfile splice "
        "pipe pipe2 fork forkpty _exit abort kill killpg ftruncate memfd_create login_tty openpty set_blocking"
    )
)
INNER = words("warnings importlib runpy gc inspect marshal operator code codeop")
FINE = words("print input open breakpoint exit quit")  # of the builtins
FIRST = {}  # (module, name): what was there before anybody changed it
TOUCHED = set()  # since the worker was last told


class Watched(types.ModuleType):
    """The class of a standard module, once it is watched."""

    def __setattr__(self, name, value):
        note(self, name)
        super().__setattr__(name, value)

    def __delattr__(self, name):
        note(self, name)
        super().__delattr__(name)


def note(module, name):
    key = (module.__name__, name)
    if tellable(*key):
        FIRST.setdefault(key, vars(module).get(name, ABSENT))
        TOUCHED.add(key)


def tellable(owner, name):
    full = f"{owner}.{name}"
    if name.startswith("__") or owner.partition(".")[0] in INNER or (owner == "builtins" and name not in FINE):
        return False
    return full not in PYTESTS and full not in LOW


class Patches:
    """`news` is what a worker has to be told; `crosses` says of a value whether it can be."""

    def __init__(self, crosses):
        self.crosses, self.told = crosses, {}
        self.count = 0
        self.watch()
        self.compared = {owner: Compared(owner, space) for owner, space in COMPARED.items()}

    def watch(self):
        """Modules that were imported meanwhile are watched from now on."""
        if len(sys.modules) == self.count:
            return
        self.count = len(sys.modules)
        for name, module in list(sys.modules.items()):
            known = name.partition(".")[0] in sys.stdlib_module_names and module is not sys
            if known and type(module) is types.ModuleType:
                module.__class__ = Watched

    def news(self):
        """[(owner, name, "set", "del", "back" or "module", value), …]; of a module that tests made its names."""
        keys = sorted(TOUCHED)
        TOUCHED.clear()
        for owner, compared in self.compared.items():
            mine = [key for key in self.told if key[0] == owner]
            keys += [(owner, name) for name in compared.changed() if (owner, name) not in mine]
            keys += mine
        return [told for key in keys for told in self.tell(*key)]

    def tell(self, owner, name):
        how, value = self.form(owner, name)
        before, known = self.told.get((owner, name), ("back", None))
        if how == before and (value is known or (how == "module" and same(value, known))):
            return
        self.told[owner, name] = how, value
        if how == "back":
            del self.told[owner, name]
        yield owner, name, how, copy.deepcopy(value) if type(value) in SHARED else value  # never a container of ours

    def form(self, owner, name):
        """How a name has to be told as it is now; what cannot be told is as it was."""
        if owner in self.compared:
            space, first = self.compared[owner].space, self.compared[owner].first.get(name, ABSENT)
        else:
            module = sys.modules.get(owner)
            space, first = held(module) if isinstance(module, MODULE) else {}, FIRST[owner, name]
        now = space.get(name, ABSENT)
        if now is first or (owner == MODULES and (now is ABSENT or is_imported(name, now))):
            return "back", None
        if now is ABSENT:
            return "del", None
        if owner == MODULES and isinstance(now, types.ModuleType):
            names = [(key, value) for key, value in list(held(now).items()) if not key.startswith("__")]
            return "module", tuple(part for key, value in names if self.crosses(value) for part in (key, value))
        return ("set", now) if self.crosses(now) else ("back", None)


class Compared:
    """A dictionary that reports no change by itself."""

    def __init__(self, owner, space):
        self.owner, self.space = owner, space
        self.first, self.stamp = dict(space), [*space.values()]

    def changed(self):
        """Names whose values are not those at first; none, where nothing has changed since this was last asked."""
        now = [*self.space.values()]
        if now == self.stamp:
            return []
        self.stamp = now
        names = {*self.space, *self.first}
        differing = [name for name in names if self.space.get(name, ABSENT) is not self.first.get(name, ABSENT)]
        return sorted(name for name in differing if tellable(self.owner, name))


def is_imported(name, value):
    """Whether a module came from the import system: not one that a test made, nor something in the place of one."""
    if not isinstance(value, MODULE) or type(value) is not MODULE or value.__spec__ is not None:
        return isinstance(value, MODULE)
    parent, _, last = name.rpartition(".")
    whole = sys.modules.get(parent)
    return isinstance(whole, MODULE) and held(whole).get(last) is value  # as pyexpat makes some


MODULE = types.ModuleType
held = MODULE.__dict__["__dict__"].__get__  # without asking anybody


class Applied:
    """The worker's side: what stands in the place of standard names while code of the candidate runs, and only then."""

    def __init__(self):
        self.table, self.placed = {}, []
        self.active = False

    def put(self, owner, name, how, value):
        """As `Patches.news` tells it."""
        space = COMPARED[owner] if owner in COMPARED else vars(importlib.import_module(owner))
        known = self.table.get((owner, name))
        if how == "back":
            self.table.pop((owner, name), None)
        elif how == "module":
            module = known[1] if known and isinstance(known[1], types.ModuleType) else types.ModuleType(name)
            for key in [key for key in vars(module) if not key.startswith("__")]:
                delattr(module, key)
            vars(module).update(zip(value[::2], value[1::2], strict=True))
            self.table[owner, name] = space, module
        else:
            self.table[owner, name] = space, ABSENT if how == "del" else value

    def on(self):
        self.active = True
        for (_, name), (space, value) in self.table.items():
            self.placed.append((space, name, value, space.get(name, ABSENT)))
            place(space, name, value)

    def off(self):
        """What the candidate has put there itself meanwhile stays."""
        self.active = False
        while self.placed:
            space, name, value, before = self.placed.pop()
            if space.get(name, ABSENT) is value:
                place(space, name, before)


def place(space, name, value):
    if value is ABSENT:
        space.pop(name, None)
    else:
        space[name] = value
