"""Starts every git process of the harness, under one fixed configuration that no repository overrides.

Nothing else may start git. An *object* door runs in a scratch git directory of our own over the target's object
store (no configuration, attributes, hooks, replace refs or grafts of the target exist there); a *ref* door runs in
the target's git directory, for what only it has: refs, index, work tree.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, cast

from harness.errors import EnvironmentFault, IntegrityError
from harness.text import visible_line

if TYPE_CHECKING:
    from git import Git

_OLDEST = (2, 38)  # merge-tree --write-tree

_CONFIG = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.commitGraph": "false",  # a commit-graph file may lie about parents and trees
    "core.editor": "false",
    "core.fsmonitor": "false",
    "core.fsync": "committed,index",
    "core.hooksPath": "/dev/null",
    "core.logAllRefUpdates": "true",
    "core.pager": "cat",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.sshCommand": "false",
    "core.symlinks": "true",
    "core.untrackedCache": "false",
    "core.useReplaceRefs": "false",
    "credential.helper": "",
    "diff.ignoreSubmodules": "all",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "index.sparse": "false",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "tag.gpgSign": "false",
    "user.email": "holdpoint@localhost",
    "user.name": "holdpoint",
}


@cache
def gitpython() -> "type[Git]":
    """GitPython's command class; its import starts git, so a machine without git fails here, in words."""
    try:
        import git
    except ImportError as error:
        raise EnvironmentFault("git is missing, or does not start.", "apt-get install git") from error
    version = git.Git().version_info
    if version[:2] < _OLDEST:
        found = ".".join(map(str, version))
        raise EnvironmentFault(f"git {found} is too old: 2.38 or newer is needed.", "upgrade git")
    return git.Git


@dataclass(frozen=True, slots=True)
class Ran:
    """How one git process ended."""

    status: int
    out: bytes
    err: str


class Door:
    """One git directory's door; safe to use from several threads."""

    def __init__(
        self,
        git_dir: Path,
        objects: Path,
        *,
        work_tree: Path | None = None,
        common_dir: Path | None = None,
        shallow: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        command = gitpython()
        self.git_dir = git_dir
        self._git = command(work_tree or git_dir)
        self._program = command.GIT_PYTHON_GIT_EXECUTABLE or "git"
        self._config = {**_CONFIG, **(config or {})}
        self._env = {
            **_FIXED_ENV,
            "GIT_DIR": str(git_dir),
            "GIT_COMMON_DIR": str(common_dir or git_dir),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_INDEX_FILE": str(git_dir / "index"),
            "GIT_WORK_TREE": str(work_tree or git_dir),
        }
        if shallow is not None and shallow.is_file():
            self._env["GIT_SHALLOW_FILE"] = str(shallow)
        self._git.update_environment(**self._env, **self._config_env({}))
        self._reading = threading.Lock()

    def _config_env(self, more: Mapping[str, str]) -> dict[str, str]:
        """The configuration as git's command-scope variables, which win over every file."""
        pairs = [*self._config.items(), *more.items()]
        env = {"GIT_CONFIG_COUNT": str(len(pairs))}
        for number, (key, value) in enumerate(pairs):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value
        return env

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        held: int | None = None,
    ) -> Ran:
        """One git process to its end. `held`: a lock that it keeps as long as it lives, past Ctrl-C and our end."""
        more = dict(env or {})
        if config:
            more |= self._config_env(config)
        with _in_memory(stdin) as source:
            status, out, err = self._git.execute(
                [self._program, *args],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=more,
                start_new_session=held is not None,
                pass_fds=() if held is None else (held,),
            )
        return Ran(status, out, err)

    def ok(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """The output of a git process that must succeed; an error with git's last words if it does not."""
        ran = self.run(*args, stdin=stdin, env=env)
        if ran.status != 0:
            raise fault(args, ran)
        return ran.out

    def talk(self, *args: str, held: int) -> "Talk":
        """A git process that is spoken to line by line, in a session of its own; `held` as in `run`."""
        command: Sequence[str] = [self._program, *args]
        process = self._git.execute(
            command, istream=cast("Any", PIPE), as_process=True, start_new_session=True, pass_fds=(held,)
        )
        return Talk(process, args)

    def read_object(self, oid: str) -> tuple[str, bytes] | None:
        """Kind and bytes of an object, not verified; None when it is missing or unreadable."""
        with self._reading:
            try:
                _, kind, size, data = self._git.get_object_data(oid)
            except (ValueError, OSError):
                # Missing, or git died on a corrupt object: a fresh process serves the next question.
                self._git.clear_cache()
                return None
            if len(data) != size:
                self._git.clear_cache()
                return None
            # GitPython's annotation says str, its value is bytes.
            return (kind.decode() if isinstance(kind, bytes) else kind), data

    def object_size(self, oid: str) -> int | None:
        """Size in bytes by the object's header; None when it is missing."""
        with self._reading:
            try:
                return self._git.get_object_header(oid)[2]
            except (ValueError, OSError):
                self._git.clear_cache()
                return None

    def close(self) -> None:
        """Ends the processes held for reading."""
        with self._reading:
            self._git.clear_cache()


class Talk:
    """A held git process: a line out, a line back; it gives up when the harness dies (end of input)."""

    def __init__(self, process: Any, args: Sequence[str]) -> None:  # GitPython's AutoInterrupt is a proxy
        self._process = process
        self._args = args

    def say(self, line: str) -> None:
        """Sends one line without waiting."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # the answer that never comes says it

    def ask(self, line: str) -> bytes:
        """Sends one line and returns the answer, empty when git refused and ended."""
        self.say(line)
        return cast("bytes", self._process.stdout.readline())

    def end(self) -> str:
        """Closes the input, waits for the end, and returns what git said on its error stream."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        said = cast("bytes", self._process.stderr.read())
        self._process.proc.wait()
        return said.decode("utf-8", errors="backslashreplace")


def fault(args: Sequence[str], ran: Ran) -> EnvironmentFault | IntegrityError:
    """The error for a git process that failed; damage in the object store is told apart."""
    words = [line for line in ran.err.splitlines() if line.strip()]
    said = visible_line(words[-1] if words else f"exit {ran.status}", 300)
    text = f"`git {args[0]}` failed: {said}"
    damaged = ("corrupt", "missing", "bad object", "bad tree", "unable to read", "inflate", "bad sha1")
    if any(word in ran.err.lower() for word in damaged):
        return IntegrityError(text, "git fsck --full")
    return EnvironmentFault(text, "look at the repository with `git status` and at the disk's free space")


def _in_memory(data: bytes) -> Any:
    """A file in memory that holds the data, positioned at its start: git's standard input."""
    file = open(os.memfd_create("holdpoint-stdin"), "w+b")  # noqa: SIM115, PTH123 - the caller's `with` closes it
    file.write(data)
    file.seek(0)
    return file


# What the caller's environment may hold (we may run inside a git hook) is set to what we mean.
_FIXED_ENV = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_ASKPASS": "false",
    "GIT_AUTHOR_EMAIL": "holdpoint@localhost",
    "GIT_AUTHOR_NAME": "holdpoint",
    "GIT_COMMITTER_EMAIL": "holdpoint@localhost",
    "GIT_COMMITTER_NAME": "holdpoint",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_EDITOR": "false",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NAMESPACE": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_TRACE": "0",
    "SSH_ASKPASS": "false",
}
