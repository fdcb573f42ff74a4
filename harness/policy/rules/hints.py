"""Rules that tell the reviewer where to look: files, environment, clock, threads, checksums. Pure tables."""

import ast
from collections.abc import Iterator

from harness.patch.names import Source
from harness.policy.rule import Names, Rule, Seen, words
from harness.text import visible_line

_WRITE = frozenset("wax+")
_OPENERS = words("builtins.open io.open codecs.open")
_ENVIRONMENT_WRITES = words("update setdefault pop popitem clear __setitem__ __delitem__")
_DECODERS = words(
    "base64.b64decode base64.b32decode base64.b16decode base64.b85decode base64.a85decode base64.urlsafe_b64decode "
    "base64.standard_b64decode binascii.unhexlify binascii.a2b_base64 codecs.decode zlib.decompress bz2.decompress "
    "lzma.decompress gzip.decompress builtins.bytes.fromhex builtins.bytearray.fromhex"
)
_CHECKSUMS = frozenset({"hashlib", "zlib.crc32", "zlib.adler32", "binascii.crc32", "builtins.hash", "hmac"})


def _siblings(source: Source) -> Iterator[Seen]:
    """Assignment to something that a relative import brought in."""
    for use in source.uses:
        if use.how in ("store", "del") and use.name.startswith("."):
            yield use.line, f"{use.name}=", f"changes `{visible_line(use.name, 80)}`"


def _opens(source: Source) -> Iterator[Seen]:
    """open() with a mode that writes, or with one that cannot be seen."""
    for call in source.calls:
        node = call.node
        method = isinstance(node.func, ast.Attribute) and node.func.attr == "open" and not call.names
        if not call.names & _OPENERS and not method:
            continue
        place = 0 if method else 1
        mode = next((k.value for k in node.keywords if k.arg == "mode"), None)
        if mode is None and len(node.args) > place:
            mode = node.args[place]
        text = "r" if mode is None else source.fold(mode)
        if text is None or _WRITE & set(text[:3]):
            yield node.lineno, "open for writing", "opens a file for writing"


def _environment(source: Source) -> Iterator[Seen]:
    for use in source.uses:
        parts = use.name.split(".")
        if parts[:2] in (["os", "environ"], ["os", "environb"]) and (
            use.how in ("store", "del") or parts[-1] in _ENVIRONMENT_WRITES
        ):
            yield use.line, "os.environ=", "changes the environment"


def _checksums(source: Source) -> Iterator[Seen]:
    """A checksum in a comparison, a condition, a look-up or arithmetic."""
    for node in source.nodes:
        for place in _deciding(node):
            if any(isinstance(inner, ast.Call) and _is_checksum(source, inner) for inner in ast.walk(place)):
                yield place.lineno, "checksum compared", "compares a checksum"
                break


def _deciding(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Compare() | ast.BinOp():
            yield node
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Subscript(slice=test):
            yield test
        case ast.comprehension(ifs=tests):
            yield from tests
        case ast.Call(func=ast.Attribute(value=value, attr="startswith" | "endswith" | "get" | "count"), args=given):
            yield from (value, *given)


def _is_checksum(source: Source, call: ast.Call) -> bool:
    return any(name in _CHECKSUMS or name.split(".")[0] in _CHECKSUMS for name in source.resolve(call.func))


def _own_place(source: Source) -> Iterator[Seen]:
    """Where the module lies: in a checkout, in an installation, in a container."""
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == "__file__":
            yield node.lineno, "__file__", "reads `__file__`"


def _decoded(source: Source) -> Iterator[Seen]:
    for call in source.calls:
        if call.names & _DECODERS and call.node.args and source.fold(call.node.args[0]) is not None:
            yield call.node.lineno, "decoded text", "decodes a literal"


HINTS: tuple[Rule, ...] = (
    Rule(
        "environment-write",
        "high",
        "which other code in the process reads",
        "passing values as arguments",
        names=Names(uses=words("os.putenv os.unsetenv os.chdir os.fchdir os.umask os.chroot")),
        look=_environment,
        valid=("import os\nhome = os.environ.get('LANG')\n",),
        invalid=(
            "import os\nos.environ['A'] = 'b'\n",
            "from os import environ\nenviron.update(A='b')\n",
            "import os\nos.putenv('A', 'b')\n",
            "import os\ndel os.environ['A']\n",
        ),
    ),
    Rule(
        "sibling-write",
        "medium",
        "which another module of the package defines",
        "a function of that module, or a reviewer's word",
        look=_siblings,
        valid=("from . import settings\nx = settings.depth\n", "class A:\n    pass\nA.x = 1\n"),
        invalid=("from . import settings\nsettings.depth = 3\n", "from .a import B\nB.f = None\n"),
    ),
    Rule(
        "file-write",
        "medium",
        "which outlives the call",
        "returning the data, or a reviewer's word",
        names=Names(
            modules=words("shutil tempfile"),
            uses=words(
                "os.remove os.unlink os.rename os.replace os.renames os.makedirs os.mkdir os.rmdir os.removedirs "
                "os.chmod os.chown os.symlink os.link os.truncate os.mkfifo os.mknod os.utime"
            ),
            attributes=words("write_text write_bytes symlink_to hardlink_to"),
        ),
        look=_opens,
        valid=(
            "with open('a') as f:\n    f.read()\n",
            "open('a', 'rb')\n",
            "def f(path):\n    return path.open()\n",
            "def f(path):\n    return path.open(encoding='utf-8')\n",
        ),
        invalid=(
            "open('a', 'w')\n",
            "open('a', mode='ab')\n",
            "def f(m):\n    return open('a', m)\n",
            "def f(path):\n    path.write_text('x')\n",
            "def f(path):\n    return path.open('w')\n",
            "import os\nos.remove('a')\n",
            "import shutil\n",
        ),
    ),
    Rule(
        "threads",
        "medium",
        "which may outlive the call that started it",
        "plain calls, or a reviewer's word",
        names=Names(
            modules=words("threading _thread concurrent.futures asyncio sched queue"),
            uses=words("builtins.aiter"),
        ),
        valid=("thread = 'a'\n", "from collections import deque\n"),
        invalid=("import threading\n", "from concurrent.futures import ThreadPoolExecutor\n"),
    ),
    Rule(
        "decoded-text",
        "medium",
        "which hides it from readers",
        "the text as it is",
        look=_decoded,
        valid=("import base64\ndef f(x):\n    return base64.b64decode(x)\n", "x = 'a'.encode()\n"),
        invalid=(
            "import codecs\nx = codecs.decode('nop', 'rot13')\n",
            "x = bytes.fromhex('00ff')\n",
            "from base64 import b64decode as d\nx = d('eA==')\n",
        ),
    ),
    Rule(
        "environment-read",
        "low",
        "which differs between a test and production",
        "values given as arguments, or a reviewer's word",
        names=Names(
            modules=words("platform getpass pwd grp resource sysconfig"),
            uses=words(
                "os.environ os.environb os.getenv os.getpid os.getppid os.getcwd os.cpu_count os.uname os.getuid "
                "os.geteuid os.getlogin os.getloadavg os.sched_getaffinity os.get_terminal_size os.isatty os.listdir "
                "os.scandir os.walk os.stat os.path.exists os.path.expanduser glob sys.argv sys.orig_argv sys.flags "
                "sys.executable sys.platform sys.stdin locale.getlocale builtins.__debug__ os.access os.path.isdir "
                "os.path.isfile os.path.getmtime os.lstat os.statvfs os.ttyname os.getgid os.getegid os.getgroups "
                "sys.breakpointhook sys.warnoptions warnings.filters sys.getallocatedblocks gc.get_stats gc.get_count "
                "importlib.metadata sys.__breakpointhook__"
            ),
            attributes=words("exists is_dir is_file iterdir"),
        ),
        look=_own_place,
        valid=("import sys\nv = sys.version_info\n", "import os\np = os.path.join('a', 'b')\n"),
        invalid=(
            "import os\nx = os.environ['A']\n",
            "from os import getenv\n",
            "import sys\na = sys.argv\n",
            "import platform\n",
            "def f(path):\n    return path.exists()\n",
            "x = 'site-' in __file__\n",
            "import os\nx = os.access('a', os.W_OK)\n",
        ),
    ),
    Rule(
        "clock-read",
        "low",
        "which differs between a test and production",
        "the time given as an argument, or a reviewer's word",
        names=Names(
            modules=words("time"),
            uses=words(
                "datetime.datetime.now datetime.datetime.today datetime.datetime.utcnow datetime.date.today "
                "logging.makeLogRecord logging.LogRecord uuid.uuid1 email.utils.localtime os.times"
            ),
        ),
        valid=("from datetime import date, timedelta\nd = date(2020, 1, 1)\n",),
        invalid=(
            "import time\n",
            "from datetime import datetime as d\nx = d.now()\n",
            "import datetime\nx = datetime.date.today()\n",
        ),
    ),
    Rule(
        "checksum",
        "low",
        "which can hide a trigger that no test will find",
        "comparing the values themselves, or a reviewer's word",
        look=_checksums,
        valid=("import hashlib\ndef f(x):\n    return hashlib.sha256(x).hexdigest()\n",),
        invalid=(
            "import zlib\ndef f(x):\n    return zlib.crc32(x) == 7\n",
            "import hashlib\ndef f(x):\n    return hashlib.md5(x).hexdigest().startswith('0') == True\n",
            "import hashlib\ndef f(x):\n    if hashlib.md5(x).hexdigest().startswith('0'):\n        return 1\n",
            "import zlib\ndef f(x):\n    return {7: 1}[zlib.crc32(x)]\n",
        ),
    ),
)
