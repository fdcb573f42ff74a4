"""What candidate code has done to its process and files, as rows by which two workers can be compared; undoes none."""

import builtins
import gc
import locale
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

MOST_ROWS = 2000
MOST_FILES = 300
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


def rows(packages, roots):
    """((name, text), …) sorted; addresses, times and process numbers are left out."""
    found = [
        *interpreter(),
        *patched(packages),
        *exceptions(packages),
        *files([*roots, "/tmp", "/work"]),
    ]
    return tuple(sorted(set(found)))[:MOST_ROWS]


def interpreter():
    decimal = sys.modules.get("decimal")
    if decimal is not None:
        context = decimal.getcontext()
        yield "decimal context", f"precision {context.prec}, {context.rounding}, {sorted(map(str, traps(context)))}"
    yield "garbage collector", f"{'on' if gc.isenabled() else 'off'}, thresholds {gc.get_threshold()}"
    yield "recursion limit", str(sys.getrecursionlimit())
    yield "switch interval", str(sys.getswitchinterval())
    yield "trace and profile functions", f"{sys.gettrace() is not None}, {sys.getprofile() is not None}"
    yield "threads", str(threading.active_count())
    yield "locale", str(locale.setlocale(locale.LC_ALL))
    yield "working folder", os.getcwd()  # noqa: PTH109 - a path object says no more
    yield "files' default mode", oct(umask())
    yield "environment", " ".join(sorted(os.environ))
    yield "import hooks", f"{[type(each).__name__ for each in sys.meta_path]}, {len(sys.path_hooks)}"
    yield "import path", str(sys.path)
    yield "warning filters", str([(entry[0], entry[2].__name__) for entry in warnings.filters])
    yield "hooks", f"{sys.excepthook is sys.__excepthook__}, {sys.displayhook is sys.__displayhook__}"
    for number in SIGNALS:
        yield f"handler of {number.name}", said(signal.getsignal(number))
    yield "descriptors", str(sum(1 for _ in os.scandir("/proc/self/fd")) - 1)
    yield "child processes", children()


def traps(context):
    return (kind.__name__ for kind, on in context.traps.items() if on)


def umask():
    before = os.umask(0)
    os.umask(before)
    return before


def said(handler):
    return handler.__qualname__ if callable(handler) and hasattr(handler, "__qualname__") else str(handler)


def children():
    try:
        return str(len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    except OSError:
        return "unknown"


def patched(packages):
    """What modules of others hold that comes from the packages in scope."""
    for name, module in list(sys.modules.items()):
        if module is None or name.partition(".")[0] in packages or name.startswith("holdpoint_guest"):
            continue
        for key, value in list(vars(module).items()):
            home = getattr(value, "__module__", None) if callable(value) else None
            if type(home) is str and home.partition(".")[0] in packages:
                yield f"{name}.{key}", f"replaced by {home}.{getattr(value, '__qualname__', '?')}"
    yield "builtins", " ".join(sorted(set(vars(builtins))))


def exceptions(packages):
    """Under which builtin names the packages' exceptions can be caught."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in packages or module is None:
            continue
        for value in list(vars(module).values()):
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == name:
                known = [base.__qualname__ for base in type.mro(value) if base.__module__ == "builtins"]
                yield f"{name}.{value.__qualname__}", f"can be caught as {' '.join(known)}"


def files(places):
    count = 0
    for place in places:
        for folder, folders, names in os.walk(place):
            folders[:] = [each for each in folders if each != "__pycache__"]
            for each in names:
                count += 1
                if count > MOST_FILES:
                    return
                path = Path(folder) / each
                if path.suffix == ".py":
                    continue  # the trees of two arms differ in these
                try:
                    told = path.lstat()
                except OSError:
                    continue
                yield str(path), f"mode {told.st_mode:o}, {told.st_size} bytes"
