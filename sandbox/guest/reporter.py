"""What pytest reports of the base's tests, one line an event, in both lanes; it judges nothing, the host does.

Loaded before any code of the target runs, and what it calls is bound then.
"""

import hashlib
import json
import os
import tomllib
import types

import pytest

LONGEST_ID = 1000
LONGEST_LOG = 8 * 1024
LONGEST_REASON = 300
MOST_LOGS = 64 * 1024


def put(fd, data, write=os.write):
    while data:
        data = data[write(fd, data) :]


def config_of(root):
    """The configuration at the top of the base's tree, in pytest's own order; None: pytest looks further."""
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
        if (root / name).is_file():
            return root / name
    path = root / "pyproject.toml"
    if path.is_file() and "pytest" in tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}):
        return path
    for name, section in (("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
        path = root / name
        if path.is_file() and section in path.read_text(encoding="utf-8", errors="replace").splitlines():
            return path
    return None


class Reporter:
    """A pytest plugin, one line an event; what it calls was bound before any code of the target ran."""

    def __init__(self, pipe, write=put, dumps=json.dumps, getpid=os.getpid):
        self._numbers = {}
        self._bodies = {}
        self._logged = 0
        mine = getpid()

        def say(event):
            if getpid() == mine:  # a forked copy of this process reports nothing
                write(pipe, dumps(event).encode() + b"\n")

        self._say = say

    @property
    def say_all(self):
        """For other plugins of ours."""
        return self._say

    def pytest_collectreport(self, report):
        if report.failed:
            self._say({"e": "collect-error", "id": short(report.nodeid)})
            self._log(report)

    def pytest_collection_finish(self, session):
        ids = [short(item.nodeid) for item in session.items]
        self._numbers = {item.nodeid: number for number, item in enumerate(session.items)}
        for start in range(0, len(ids), 50):
            self._say({"e": "collected", "ids": ids[start : start + 50]})
        self._say({"e": "start", "count": len(ids)})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        code = fingerprint(pyfuncitem.obj, str(pyfuncitem.path))
        self._bodies[pyfuncitem.nodeid] = ["raised", code]
        result = yield
        self._bodies[pyfuncitem.nodeid] = ["returned", code]
        return result

    def pytest_runtest_logreport(self, report):
        if type(report).__name__ == "SubtestReport":  # a failed subtest also fails its test
            if report.failed:
                self._log(report)
            return
        number = self._numbers.get(report.nodeid)
        event = {"e": "phase", "n": -1 if number is None else number, "when": report.when}
        event |= {"outcome": report.outcome, "wasxfail": hasattr(report, "wasxfail")}
        if report.when == "call":
            event["body"] = self._bodies.pop(report.nodeid, ["none", ""])
        if number is None:
            event["id"] = short(report.nodeid)
        if report.failed:
            event["why"] = reason(report)
        self._say(event)
        if report.failed:
            self._log(report)

    def _log(self, report):
        if self._logged >= MOST_LOGS:
            return
        text = f"{report.longreprtext}"
        for title, content in report.sections:
            text += f"\n--- {title} ---\n{content}"
        text = text if len(text) <= LONGEST_LOG else text[: LONGEST_LOG // 2] + "\n[…]\n" + text[-LONGEST_LOG // 2 :]
        self._logged += len(text)
        self._say({"e": "log", "id": short(report.nodeid), "text": text})


def reason(report):
    """The first line of what a test failed with; bounded, for a table."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(getattr(crash, "message", None) or report.longrepr or "").splitlines()
    return lines[0][:LONGEST_REASON] if lines else ""


def short(nodeid):
    """The id itself, or a bounded text that still differs for different ids."""
    if len(nodeid) <= LONGEST_ID:
        return nodeid
    return f"{nodeid[:LONGEST_ID]}… sha256:{hashlib.sha256(nodeid.encode('utf-8', 'surrogatepass')).hexdigest()}"


def fingerprint(function, path):
    """A digest of the test function's own code, looked for below decorators; empty if not from that file."""
    for _ in range(20):
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if isinstance(code, types.CodeType) and code.co_filename == path:
            digest = hashlib.sha256()
            add_code(digest, code)
            return digest.hexdigest()[:16]
        function = getattr(function, "__wrapped__", None)
    return ""


def add_code(digest, code):
    digest.update(code.co_code + repr((code.co_names, code.co_varnames, code.co_freevars)).encode("utf-8", "replace"))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            add_code(digest, constant)
        elif isinstance(constant, frozenset):  # its order differs between processes
            digest.update(repr(sorted(map(repr, constant))).encode("utf-8", "replace"))
        else:
            digest.update(repr(constant).encode("utf-8", "replace"))
