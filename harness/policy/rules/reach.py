"""Rules about reach: native code, code from strings, hidden names, processes, network, descriptors. Pure tables."""

import re
from collections.abc import Iterator

from harness.patch.names import Source
from harness.patch.resolve import POWERFUL
from harness.policy.rule import Names, Rule, Seen, words
from harness.text import visible_line

_IMPORTLIB_DATA = words("importlib.resources importlib.metadata")
_RUNNERS = words(
    "builtins.exec builtins.eval builtins.compile builtins.__import__ runpy code codeop imp pkgutil.resolve_name "
    "pydoc.locate timeit.timeit timeit.repeat timeit.Timer timeit.main cProfile.run cProfile.runctx profile.run "
    "profile.runctx pdb.run pdb.runeval pdb.runcall bdb trace.Trace types.CodeType logging.config types.new_class "
    "builtins.breakpoint sys.breakpointhook"
)
_MAKERS = words("types.FunctionType types.ModuleType types.LambdaType")
_PLACES = re.compile(r"^/(proc|sys|dev|etc|root|home|run|var/run)(/|$)|^~/|docker\.sock|id_rsa|\.ssh/")


def _dynamic(source: Source) -> Iterator[Seen]:
    """importlib beyond its data readers, classes built by a call, functions built from code."""
    for use in source.uses:
        if use.name.split(".")[0] == "importlib" and not _data_reader(use.name):
            yield use.line, use.name, f"uses `{visible_line(use.name, 80)}`"
    for each in source.imports:
        if each.module.split(".")[0] == "importlib" and not each.names and not _data_reader(each.module):
            yield each.line, "import importlib", f"imports `{each.module}`"
    for call in source.calls:
        arguments = len(call.node.args) + len(call.node.keywords)
        if "builtins.type" in call.names and arguments > 1:
            yield call.node.lineno, "type(...)", "builds a class by calling `type`"
        for name in call.names & _MAKERS:
            yield call.node.lineno, f"{name}()", f"calls `{name}`"


def _data_reader(name: str) -> bool:
    return ".".join(name.split(".")[:2]) in _IMPORTLIB_DATA


def _hidden(source: Source) -> Iterator[Seen]:
    """A computed attribute name on a powerful module, its whole namespace, or the module itself as a value."""
    for call in source.calls:
        arguments = call.node.args
        if "builtins.getattr" in call.names and len(arguments) > 1 and source.fold(arguments[1]) is None:
            for base in source.resolve(arguments[0]) & POWERFUL:
                yield call.node.lineno, f"getattr {base}", f"reads an attribute of `{base}` by a computed name"
        getters = call.names & {"operator.attrgetter", "operator.methodcaller"}
        if getters and any(source.fold(argument) is None for argument in arguments[:1]):
            yield call.node.lineno, "attrgetter", "reads an attribute by a computed name"
    for use in source.uses:
        if use.how == "load" and use.name in POWERFUL:
            yield use.line, f"{use.name} as a value", f"passes the module `{use.name}` on as a value"
        elif use.name.partition(".")[0] in POWERFUL and use.name.split(".")[1:2] == ["__dict__"]:
            yield use.line, use.name, f"reads the whole namespace of `{use.name.partition('.')[0]}`"


def _borrowed(source: Source) -> Iterator[Seen]:
    for use in source.uses:
        if use.borrowed:
            yield use.line, use.name, f"reaches `{visible_line(use.name, 80)}` through another module"


def _places(source: Source) -> Iterator[Seen]:
    for text in source.texts:
        if _PLACES.search(text.value):
            yield text.line, f"text {text.value[:40]}", f"holds the path `{visible_line(text.value, 60)}`"


REACH: tuple[Rule, ...] = (
    Rule(
        "native-code",
        "critical",
        "which leaves Python and with it every check",
        "Python code",
        names=Names(modules=words("ctypes cffi mmap cython pyximport"), uses=words("sys.setdlopenflags")),
        valid=("import struct\n", "def f(ctypes):\n    return ctypes\n"),
        invalid=(
            "import ctypes\n",
            "from ctypes import CDLL\n",
            "import _ctypes\n",
            "from ctypes.util import find_library\n",
        ),
    ),
    Rule(
        "dynamic-code",
        "critical",
        "which runs code that no one can read here",
        "functions and classes written out",
        names=Names(
            uses=_RUNNERS,
            modules=words("runpy code codeop imp"),
            attributes=words("load_module exec_module __loader__ __spec__ get_importer find_spec"),
        ),
        look=_dynamic,
        valid=(
            "import re\np = re.compile('a')\n",
            "from re import compile\np = compile('a')\n",
            "from importlib import resources\n",
            "from importlib.metadata import version\nv = version('x')\n",
            "kind = type(3)\n",
            "import types\nok = isinstance(print, types.FunctionType)\n",
            "class M:\n    def eval(self):\n        return self.eval\n",
        ),
        invalid=(
            "exec('x = 1')\n",
            "e = eval\ne('1')\n",
            "code = compile('1', 'x', 'eval')\n",
            "m = __import__('os')\n",
            "import importlib\nm = importlib.import_module('json')\n",
            "from importlib import import_module\n",
            "import importlib.util\n",
            "import timeit\ntimeit.timeit('pass')\n",
            "A = type('A', (int,), {})\n",
            "import builtins\nbuiltins.exec('1')\n",
            "f = getattr(__builtins__, 'ev' + 'al')\n",
            "import types\nf = types.FunctionType(None, {})\n",
            "import math\nos = math.__spec__.loader.load_module('os')\n",
            "if 0:\n    from re import compile\ncompile('1', 'x', 'eval')\n",
        ),
    ),
    Rule(
        "hidden-name",
        "high",
        "so what it does cannot be seen",
        "the name written out",
        look=_hidden,
        valid=(
            "import logging\nlevel = getattr(logging, 'debug'.upper())\n",
            "import math\ndef f(n):\n    return getattr(math, n)\n",
            "from operator import attrgetter\nkey = attrgetter('name')\n",
        ),
        invalid=(
            "import os\ndef f(n):\n    return getattr(os, n)\n",
            "import sys\ndef f(n):\n    return vars(sys)[n]\n",
            "from operator import attrgetter\ndef f(n):\n    return attrgetter(n)\n",
            "import os\ndef f(n):\n    return list(map(getattr, (os,), (n,)))\n",
            "import os\ndef f():\n    return os.__dict__.items()\n",
            "import sys, inspect\nall_of_it = inspect.getmembers(sys)\n",
            "import os\no = os\n",
        ),
    ),
    Rule(
        "borrowed-module",
        "high",
        "which hides that it is used",
        "importing the module by its own name",
        look=_borrowed,
        valid=("import os\np = os.path\n", "import concurrent.futures\n", "from . import sys\n"),
        invalid=(
            "import logging\ns = logging.sys\n",
            "from random import _os\n",
            "from logging import os\n",
            "import random\nrandom._os.getpid()\n",
            "e = len.__self__.max\n",
        ),
    ),
    Rule(
        "processes",
        "high",
        "which starts or steers processes",
        "doing the work in this process",
        names=Names(
            modules=words("subprocess multiprocessing pty concurrent.futures.process"),
            uses=words(
                "os.fork os.forkpty os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe "
                "os.spawnl os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe "
                "os.posix_spawn os.posix_spawnp os.system os.popen os.startfile os.wait os.waitpid os.setsid "
                "os.setpgid os.nice os.sched_setaffinity os.ptrace os.register_at_fork os.setuid os.setgid "
                "os.unshare concurrent.futures.ProcessPoolExecutor asyncio.create_subprocess_exec "
                "asyncio.create_subprocess_shell"
            ),
            attributes=words("forkpty execve posix_spawn create_subprocess_exec create_subprocess_shell"),
        ),
        valid=("import platform\nname = platform.system()\n", "def fork(x):\n    return x\n"),
        invalid=(
            "import subprocess\n",
            "import os\nos.fork()\n",
            "from os import system as s\n",
            "from concurrent.futures import ProcessPoolExecutor\n",
            "import asyncio\nx = asyncio.subprocess\n",
        ),
    ),
    Rule(
        "network",
        "high",
        "which talks to other machines",
        "taking the data as an argument",
        names=Names(
            modules=words(
                "socket ssl socketserver http.client http.server urllib.request ftplib smtplib imaplib poplib nntplib "
                "telnetlib xmlrpc webbrowser wsgiref asyncore asynchat requests httpx aiohttp urllib3 websockets "
                "paramiko"
            ),
            uses=words(
                "asyncio.open_connection asyncio.start_server asyncio.open_unix_connection asyncio.start_unix_server"
            ),
        ),
        valid=("from urllib.parse import quote\n", "from http import HTTPStatus\n"),
        invalid=(
            "import socket\n",
            "from urllib import request\n",
            "import http.client as h\n",
            "import asyncio\nasyncio.open_connection('x', 1)\n",
        ),
    ),
    Rule(
        "serialisation",
        "high",
        "which runs code while it loads data",
        "json or a format of your own",
        names=Names(modules=words("pickle marshal shelve copyreg dill cloudpickle joblib jsonpickle")),
        valid=("import json\n", "import struct\n"),
        invalid=("import pickle\n", "from marshal import loads\n", "import _pickle as p\n", "import shelve\n"),
    ),
    Rule(
        "raw-descriptors",
        "high",
        "which reaches pipes and files that others opened",
        "open() on a path of your own",
        names=Names(
            modules=words("fcntl termios tty"),
            uses=words(
                "os.write os.read os.open os.close os.closerange os.dup os.dup2 os.pipe os.pipe2 os.fdopen os.sendfile "
                "os.memfd_create os.eventfd os.pwrite os.pread os.writev os.ftruncate os.openpty os.fstat "
                "os.readlink sys.__stdout__ sys.__stderr__ sys.__stdin__"
            ),
            attributes=words("dup2 memfd_create"),
        ),
        valid=("import io\nb = io.BytesIO()\n", "import sys\nsys.stdout.write('x')\n"),
        invalid=("import os\nos.write(3, b'')\n", "from os import dup2\n", "import fcntl\n"),
    ),
    Rule(
        "system-paths",
        "high",
        "which belongs to the machine, not to the program",
        "paths given by the caller",
        look=_places,
        valid=("name = 'processor'\n", "path = 'data/proc.txt'\n", '"""Reads /proc."""\n'),
        invalid=(
            "open('/proc/self/fd/1')\n",
            "x = '/pr' + 'oc/self'\n",
            "x = f'/proc/{1}/stat'\n",
            "x = '~/.bashrc'\n",
        ),
    ),
)
