"""Which form an object takes on the wire and which proxy stands for a form; the tables of what either side holds."""

import datetime
import enum
import types
import weakref

from . import building, mirror, stdlib_names
from .describe import described_class, described_function
from .shared import Shared
from .unwire import Decoder
from .wire import Encoder, Fault


class Objects:
    """The tables of one side; `first` is 1 for the oracle and 2 for the worker."""

    def __init__(self, first):
        self.enc, self.dec = Encoder(self), Decoder(self)
        self.shared = Shared(first)
        self.exports, self.handles, self.next_handle = {}, {}, 1
        self.kept = {}  # classes and functions of the other side, for good
        self.proxies = weakref.WeakValueDictionary()
        self.released = []

    def forget(self, mark, handle):
        """Undoes what encoding a message that was never sent has added."""
        self.enc.depth = 0
        self.shared.forget(mark)
        for number in range(handle, self.next_handle):
            self.handles.pop(id(self.exports.pop(number, None)), None)

    def export(self, value):
        """The form of an object that is no data."""
        theirs = mirror.handle_of(value)
        if theirs is not None:
            return ["y", theirs]
        if isinstance(type(value), mirror.ProxyMeta):
            return ["y", self.twin(value)]
        if isinstance(value, mirror.ProxyMeta):
            value = vars(value).get("_hp_real", value)
        name = stdlib_names.name_of(value)
        if name is not None:
            return ["g", *name]
        if isinstance(value, types.ModuleType):
            return self.export_module(value)
        if isinstance(value, enum.Enum) and stdlib_names.name_of(type(value)) is not None:
            return ["v", "member", self.enc(type(value)), self.enc(value._value_)]
        known = self.handles.get(id(value))
        if type(value).__module__ == "freezegun.api":
            return self.enc(unfrozen(value))
        if isinstance(value, BaseException):
            return self.export_error(value)
        describe = described_class if isinstance(value, type) else described_function
        if describe is described_class or type(value) is types.FunctionType:
            if known is not None:
                return ["h", known]
            self.check_export(value)
            return describe(self, value)
        self.check_export(value)
        kind = self.enc(type(value))
        return ["o", self.keep(value), kind]

    def twin(self, value):
        """The handle of what an object without one shall stand for."""
        raise Fault("an object of a class of the other side was made here, behind its back")

    def check_export(self, value):
        """Fault when this object may not be reached by the other side."""

    def export_module(self, module):
        raise Fault(f"the module {module.__name__} cannot cross")

    def keep(self, value):
        """The handle of an own object, which stays alive until the other side lets go."""
        handle = self.handles.get(id(value))
        if handle is None:
            handle, self.next_handle = self.next_handle, self.next_handle + 1
            self.exports[handle], self.handles[id(value)] = value, handle
        return handle

    def export_error(self, error):
        kind = self.enc(type(error))
        args = error.args if type(error.args) is tuple else ()
        held = [*vars(error).items(), *((name, getattr(error, name)) for name in members(error))]
        state = [part for name, value in held for part in self.attribute(name, value)]
        cause = self.enc(error.__cause__) if error.__cause__ is not None else None
        notes = [str(note) for note in getattr(error, "__notes__", ())]
        return ["E", self.keep(error), kind, [self.attempt(part) for part in args], state, cause, notes]

    def attribute(self, name, value):
        if not isinstance(name, str) or name.startswith("_"):
            return ()
        return (name, self.attempt(value))

    def attempt(self, value):
        """An exception tells what it can: an argument that may not cross is only named."""
        mark, handle = self.shared.next, self.next_handle
        try:
            return self.enc(value)
        except Fault:
            depth = self.enc.depth
            self.forget(mark, handle)
            self.enc.depth = depth
            return f"<{type(value).__name__} that cannot cross>"

    def adopt(self, item):
        """The object that a form stands for."""
        match item:
            case ["y", int() as handle]:
                if handle not in self.exports:
                    raise Fault("an unknown handle")
                return self.exports[handle]
            case ["h", int() as handle]:
                if handle not in self.kept:
                    raise Fault("an unknown handle")
                return self.kept[handle]
            case ["o", int() as handle, kind]:
                return self.adopt_object(handle, self.dec(kind))
            case ["f", int() as handle, str(), str(), str(), doc, _] if doc is None or type(doc) is str:
                return self.kept.setdefault(handle, mirror.function(handle, item[2:], self.dec))
            case ["c", int() as handle, str(), str(), str(), list(), list(), str()]:
                return self.adopt_class(handle, item)
            case ["E", int() as handle, kind, list() as args, list() as state, cause, list() as notes]:
                return self.adopt_error(handle, self.dec(kind), args, (state, cause, notes))
            case ["m", str() as name]:
                return self.adopt_module(name)
        raise Fault(f"a value with tag {item[0]!r} is malformed")

    def adopt_object(self, handle, kind):
        known = self.proxies.get(handle)
        if known is None:
            if not isinstance(kind, mirror.ProxyMeta):
                kind = building.opaque(kind)
            known = self.proxies[handle] = mirror.instance(kind, handle)
        return known

    def adopt_class(self, handle, item):
        if handle in self.kept:
            raise Fault("a class was described twice")
        bases = tuple(self.dec.many(item[5]))
        if not all(isinstance(base, type) for base in bases):
            raise Fault("a base is no class")
        made = self.kept[handle] = building.build(handle, item, bases)
        return made

    def adopt_error(self, handle, kind, args, more):
        known = self.proxies.get(handle)
        if known is not None:
            return known
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise Fault("what was raised is no exception")
        error = mirror.error(kind, handle, tuple(self.dec.many(args)))
        state, cause, notes = more
        mirror.set_state(error, self.dec.many(state))
        if cause is not None:
            found = self.dec(cause)
            error.__cause__ = found if isinstance(found, BaseException) else None
        for note in notes:
            error.add_note(str(note))
        if isinstance(kind, mirror.ProxyMeta):
            self.proxies[handle] = error
        return error

    def adopt_module(self, name):
        raise Fault(f"the module {name} cannot cross")

    def pumped(self, value, name, *args):
        return self.request("m", (value, name, *args))

    def raw(self, owner, name):
        raise Fault("a class attribute cannot cross unbound")

    def release(self, handle):
        """A proxy is gone."""
        self.released.append(handle)


def members(error):
    """Names of what an exception holds besides its arguments and its dictionary."""
    found = next((names for kind, names in MEMBERS.items() if isinstance(error, kind)), ())
    return [name for name in found if getattr(error, name) is not None]


MEMBERS = {
    ImportError: ("name", "path"),
    OSError: ("filename", "filename2"),
    AttributeError: ("name",),
    NameError: ("name",),
}


def unfrozen(value):
    """The plain date or time for one made while a test stopped the clock."""
    if isinstance(value, REAL_DATETIME):
        moment = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
        return REAL_DATETIME(*moment, value.tzinfo, fold=value.fold)
    if isinstance(value, REAL_DATE):
        return REAL_DATE(value.year, value.month, value.day)
    raise Fault("an object of the stopped clock cannot cross")


REAL_DATETIME, REAL_DATE = datetime.datetime, datetime.date
