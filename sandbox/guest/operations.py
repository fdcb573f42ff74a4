"""What an oracle may ask of a worker, operation by operation; each runs code of the candidate and trusts it."""

import copy
import importlib
import sys
import time
import types

from .shapes import shapes_of

MOST_DRAINED = 1000
SOON = 0.005  # seconds for reading ahead


def identities(name):
    module = sys.modules.get(name)
    return None if module is None else [*map(id, vars(module).values())]


def get(_, owner, name):
    return getattr(owner, name)


def set_(worker, owner, name, value):
    if isinstance(owner, type | types.ModuleType):
        worker.replaced.setdefault((id(owner), name), vars(owner).get(name))
    setattr(owner, name, value)


def delete(worker, owner, name):
    if isinstance(owner, type | types.ModuleType):
        original = worker.replaced.setdefault((id(owner), name), vars(owner).get(name))
        if name in UNTOLD and original is not None and vars(owner).get(name) is not original:
            setattr(owner, name, original)  # the oracle took back what it had set, not knowing of this one
            return
    delattr(owner, name)


UNTOLD = ("__eq__", "__ne__", "__hash__")  # proxy classes have these without being told


def call(_, function, /, *args, **kwargs):
    return function(*args, **kwargs)


def method(worker, value, name, /, *args, **kwargs):
    if name in STEPS and hasattr(type(value), "send"):
        return stepped(worker, getattr(value, name), args)
    if name.startswith("__") and name.endswith("__"):
        if isinstance(value, type) and name not in vars(type(value)):
            return getattr(value, name)(*args, **kwargs)
        if name == "__call__":
            return value(*args, **kwargs)
        return getattr(type(value), name)(value, *args, **kwargs)
    return getattr(value, name)(*args, **kwargs)


STEPS = ("send", "throw", "__next__", "close")


def stepped(worker, step, args):
    """One step of a generator or coroutine, with an event loop to be found by whoever looks for one."""
    asyncio = importlib.import_module("asyncio")
    if worker.loop is None:
        worker.loop = asyncio.new_event_loop()
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(worker.loop)
    try:
        return step(*args)
    finally:
        asyncio._set_running_loop(before)


def pump(worker, future):
    """Runs the event loop until the future is done, whatever it ends with."""
    asyncio = importlib.import_module("asyncio")
    done = asyncio.wait([future])
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        worker.loop.run_until_complete(done)
    finally:
        asyncio._set_running_loop(before)


def above(_, owner, value, name, /, *args, **kwargs):
    """A method as `owner` has it, for a class of the tests that overrides it."""
    if isinstance(value, type):
        return getattr(super(owner, value) if owner is value else owner, name)(*args, **kwargs)
    return getattr(owner, name)(value, *args, **kwargs)


def drain(worker, iterator, most, quiet):
    """Up to so many items, and how it ended: False when there may be more. Quiet: nobody may notice."""
    items, end, until = [], False, time.monotonic() + SOON
    worker.quiet = quiet
    try:
        while len(items) < min(most, MOST_DRAINED) and not (quiet and items and time.monotonic() > until):
            items.append(next(iterator))
    except StopIteration:
        end = True
    except Exception as error:
        end = error
    finally:
        worker.quiet = False
    return (tuple(items), end)


def again(worker, most, seconds, op, *args, **kwargs):
    """The same operation up to so many times, or for so long; what the last one came to."""
    until, result = time.monotonic() + seconds, None
    for _ in range(most):
        result = OPERATIONS[op](worker, *args, **kwargs)
        if time.monotonic() > until:
            break
    return result


def acts(worker, times, seconds, steps):
    """The same few operations over and over, each (op, arguments, references to earlier ones' results, keywords).

    (how often, how many of them raised, what the last one came to); how often is 0 when there was no time for all.
    """
    until, done, raised, result = time.monotonic() + seconds, 0, 0, None
    while done < times and time.monotonic() < until:
        done += 1
        results = []
        try:
            for op, args, places, named in steps:
                own = list(args)
                for at, number in places:
                    own[at] = results[number]
                results.append(OPERATIONS[op](worker, *own, **dict(named)))
            result = results[-1]
        except Exception as error:
            raised += 1
            result = type(error).__qualname__
    return (done, raised, result) if done == times else (0, 0, None)


def subclass(_, name, bases, told, module, qualname, kwargs):
    space = {"__module__": module, "__qualname__": qualname} | dict(told)
    return types.new_class(name, bases, kwargs, lambda made: made.update(space))


def copied(_, value, deep):
    return copy.deepcopy(value) if deep else copy.copy(value)


def pickled(_, value, protocol):
    return importlib.import_module("pickle").dumps(value, protocol)


def unpickled(_, data):
    return importlib.import_module("pickle").loads(data)


def import_(worker, name):
    return described_module(worker, importlib.import_module(name))


def reload_(worker, module):
    return described_module(worker, importlib.reload(module))


def described_module(worker, module):
    """(name, a package?, doc, file, __all__, ((name, value or ...), …)); values only of functions and classes."""
    names = getattr(module, "__all__", None)
    known = []
    for name, value in list(vars(module).items()):
        if isinstance(name, str) and not (name.startswith("__") and name.endswith("__")):
            stable = type(value) is types.FunctionType or isinstance(value, type)
            known.append((name, value if stable else ...))
    worker.told[module.__name__] = identities(module.__name__)
    doc = module.__doc__ if type(module.__doc__) is str else None
    listed = tuple(str(name) for name in names) if isinstance(names, list | tuple) else None
    place = getattr(module, "__file__", None)
    place = place if type(place) is str else None
    return (module.__name__, hasattr(module, "__path__"), doc, place, listed, tuple(known))


def flat(_, value, fields):
    """The fields that the base's class had, or the contents of a subclass of a builtin type as that type."""
    if isinstance(fields, tuple):
        return tuple(getattr(value, name) for name in fields)
    return FLAT[fields](value)


def look(_, value, names):
    """What these attributes are now, each (value, None) or (None, the name of what reading it raised)."""
    found = []
    for name in names:
        try:
            found.append((getattr(value, name), None))
        except Exception as error:
            found.append((None, type(error).__qualname__))
    return tuple(found)


def patch(worker, owner, name, how, value):
    """From the next operation on; a module that is not to be had here needs none."""
    try:
        worker.patches.put(owner, name, how, value)
    except ImportError:
        return


def effects(worker):
    """Imported only now: the tests' own worker has no use for it."""
    return importlib.import_module("holdpoint_guest.effects").rows(worker.packages, worker.roots)


FLAT = {
    "dict": lambda value: dict(dict.items(value)),
    "list": list.copy,
    "tuple": lambda value: tuple(tuple.__iter__(value)),
    "set": lambda value: set(set.__iter__(value)),
    "frozenset": lambda value: frozenset(frozenset.__iter__(value)),
    "str": lambda value: str.__str__(value)[:],
    "bytes": lambda value: bytes.__getitem__(value, slice(None)),
    "int": int.__index__,
    "float": float.__float__,
}
OPERATIONS = {
    "import": import_,
    "reload": reload_,
    "get": get,
    "set": set_,
    "del": delete,
    "again": again,
    "acts": acts,
    "call": call,
    "bare": lambda _, cls: object.__new__(cls),
    "new": lambda _, cls, *args, **kwargs: cls.__new__(cls, *args, **kwargs),
    "m": method,
    "super": above,
    "pump": pump,
    "drain": drain,
    "subclass": subclass,
    "copy": copied,
    "pickle": pickled,
    "unpickle": unpickled,
    "names": lambda _, module: tuple(str(name) for name in vars(module)),
    "item": lambda _, owner, key: owner[key],
    "contains": lambda _, owner, key: key in owner,
    "isinstance": lambda _, value, cls: isinstance(value, cls),
    "issubclass": lambda _, value, cls: issubclass(value, cls),
    "flat": flat,
    "effects": effects,
    "look": look,
    "patch": patch,
    "shapes": lambda _, packages: shapes_of(packages),
}
