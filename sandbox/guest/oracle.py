"""The role that runs the base's tests and never sees the candidate's code: pytest here, every call in the worker.

One process a test file, forked from one with pytest loaded, each with a fresh worker that the host brings. Standard
output is the protocol; what tests print goes into memory and is told afterwards.
"""

import gc
import importlib
import importlib.util
import os
import random
import sys
import traceback
from pathlib import Path

import pytest

from . import imports, link
from .judge import Judge
from .patience import Patience
from .reporter import Reporter, config_of, short
from .wire import LONGEST_LINE, dumps, loads

TAIL = 64 * 1024


def main(header):
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    line = Lines(source)
    root = header.get("root", "/judge")
    entries = [[entry] for entry in header["files"]] if header.get("fresh") != "session" else [header["tests"]]
    for number, paths in enumerate(entries, 1):
        put(sink, dumps({"fresh": number, "file": paths[0]}))
        if loads(line.read()).get("fresh") != number:
            raise SystemExit(98)
        printed = os.memfd_create("printed")
        gc.freeze()
        child = os.fork()
        if child == 0:
            be_child(header, Path(root), paths, (line, sink, printed))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tell(sink, {"e": "output", **tail_of(printed)})
        tell(sink, {"e": "child", "status": status})
        os.close(printed)
    tell(sink, {"e": "end"})
    return 0


def tell(sink, event):
    put(sink, dumps(event))


def put(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def tail_of(printed):
    size = os.fstat(printed).st_size
    data = os.pread(printed, TAIL, max(0, size - TAIL))
    return {"text": data.decode("utf-8", "replace"), "bytes": size}


class Lines:
    """Reads lines from a descriptor; both processes use it in turn, and nothing is left in it between turns."""

    def __init__(self, fd):
        self.fd, self.rest = fd, bytearray()

    def read(self):
        while True:
            end = self.rest.find(b"\n")
            if end >= 0:
                line = bytes(self.rest[: end + 1])
                del self.rest[: end + 1]
                return line
            if len(self.rest) > LONGEST_LINE:
                return b""
            data = os.read(self.fd, 1 << 18)
            if not data:
                return b""
            self.rest += data


def be_child(header, root, paths, streams):
    status = 70
    try:
        line, sink, printed = streams
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        status = run(header, root, paths, (line, sink))
    except BaseException as error:
        traceback.print_exception(error)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def run(header, root, paths, streams):
    line, sink = streams
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(root)
    judge = Judge(line.read, lambda data: put(sink, data), header["packages"], header.get("shapes"))
    link.use(judge)
    if importlib.util.find_spec("freezegun") is not None:
        freezegun = importlib.import_module("freezegun")
        freezegun.configure(extend_ignore_list=[*header["packages"], "holdpoint_guest"])
    roots = dict.fromkeys([*header.get("roots", ()), str(root)])
    imports.install(header["packages"], [str(root / path) for path in header["tests"]], roots)
    config = config_of(root)
    arguments = ["-p", "no:cacheprovider", f"--rootdir={root}", "--color=no", "--tb=short"]
    arguments += ["-c", str(config)] if config else []
    arguments += [str(root / path) for path in paths]
    plugins = [Reporter(sink), Ledger(judge, sink, header)]
    status = int(pytest.main(arguments, plugins=plugins))
    tell(sink, {"e": "finished", "exit": status})
    return status


class Ledger:
    """A pytest plugin: which tests run in which order and how long, and what the candidate decided in each."""

    def __init__(self, judge, sink, header):
        self.judge, self.sink, self.seed = judge, sink, header.get("seed")
        self.skip = frozenset(header.get("skip", ()))
        self.patience = Patience(judge, header.get("patience", 30.0))
        self.numbers = {}
        self.most = header.get("most")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.seed is not None:
            items[:] = shuffled(items, random.Random(self.seed))
        for item in items:
            if short(item.nodeid) in self.skip:
                item.add_marker(pytest.mark.skip(reason="holdpoint: it does not cross at the base"), append=False)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session):
        self.numbers = {item.nodeid: number for number, item in enumerate(session.items)}
        self.report(-1)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        self.judge.most, self.judge.before = self.most, self.judge.asked + self.judge.heard
        self.judge.surroundings.patches.watch()
        with self.patience:
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        with self.patience:
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        with self.patience:
            result = yield
        if self.judge.poison is not None:
            poison, self.judge.poison = self.judge.poison, None
            raise poison
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            self.judge.poison = None
            self.report(self.numbers.get(report.nodeid, -1))

    def report(self, number):
        taken = self.judge.taken()
        if taken:
            tell(self.sink, {"e": "tally", "n": number, "t": taken})


def shuffled(items, chance):
    """Another order: of the classes and functions, and within each; tests that share a fixture stay together."""
    groups = {}
    for item in items:
        groups.setdefault(item.parent, []).append(item)
    order = list(groups.values())
    chance.shuffle(order)
    for group in order:
        chance.shuffle(group)
    return [item for group in order for item in group]
