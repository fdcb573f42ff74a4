"""What every command shares: the global options, and the one place for output, errors and exit codes."""

import contextlib
import datetime as dt
import getpass
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer

from harness.errors import EnvironmentFault, HoldpointError, IntegrityError, RefusedError, UsageError
from harness.text import mark, visible

DONE, REFUSED, USAGE, BUG, ENVIRONMENT, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 130, 143


class TerminatedError(BaseException):
    """SIGTERM arrived; unwinds like Ctrl-C so that containers and locks are released."""


@dataclass(frozen=True)
class Shell:
    """The global options of this call."""

    repo: Path
    json: bool

    def words(self, text: str, *, error: bool = False) -> None:
        """Prints words for people: on stdout, or on stderr when stdout belongs to the JSON document."""
        print(visible(text), file=sys.stderr if self.json or error else sys.stdout, flush=True)

    def progress(self, text: str) -> None:
        """One line about work under way; always on stderr."""
        print(visible(text), file=sys.stderr, flush=True)

    def finish(self, name: str, content: dict[str, Any], words: str | Callable[[], str], code: int = DONE) -> NoReturn:
        """Prints the document or the words, and ends the command with the code."""
        from harness.cli.documents import DOCUMENTS  # after the work is done: a hundred milliseconds of models

        document = DOCUMENTS[name].model_validate({"schema": f"holdpoint/{name}/1", **content})
        if self.json:
            print(_escaped(document.model_dump_json()), flush=True)
        else:
            text = words if isinstance(words, str) else words()
            if text:
                self.words(text)
        raise typer.Exit(code)


def _escaped(document: str) -> str:
    """The same JSON with every steering character written as an escape: documents are read at terminals too."""
    if document.isascii() and document.isprintable():
        return document
    return "".join(
        char if mark(char) is None else json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f" for char in document
    )


def shell_of(context: typer.Context) -> Shell:
    """The shell that `run` made for this call."""
    found = context.find_object(Shell)
    assert found is not None
    return found


def now() -> dt.datetime:
    """The time, in UTC."""
    return dt.datetime.now(dt.UTC)


def person() -> str:
    """The name of whoever types: HOLDPOINT_USER, or the login name."""
    return os.environ.get("HOLDPOINT_USER") or getpass.getuser()


def at_time(text: str | None) -> dt.datetime | None:
    """An RFC 3339 time; one without an offset is taken as UTC."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at {text!r} is no RFC 3339 time.", "write it like 2026-11-26T14:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _globals(argv: Sequence[str]) -> tuple[Shell, list[str]]:
    """Takes `--json` and `--repo PATH` out of the arguments wherever they stand before a `--`."""
    rest: list[str] = []
    repo, as_json = Path(), False
    arguments = iter(argv)
    for argument in arguments:
        if argument == "--":
            rest += [argument, *arguments]
        elif argument == "--json":
            as_json = True
        elif argument == "--repo":
            value = next(arguments, None)
            if value is None:
                raise UsageError("--repo needs a path.", "holdpoint --repo PATH COMMAND …")
            repo = Path(value)
        elif argument.startswith("--repo="):
            repo = Path(argument.removeprefix("--repo="))
        else:
            rest.append(argument)
    return Shell(repo, as_json), rest


def _code_of(error: HoldpointError) -> int:
    match error:
        case UsageError():
            return USAGE
        case RefusedError() | IntegrityError():
            return REFUSED
        case EnvironmentFault():
            return ENVIRONMENT
        case _:
            return BUG


def _fail(message: str, next_step: str = "") -> None:
    print(f"holdpoint: {visible(message)}", file=sys.stderr)
    if next_step:
        print(f"  next: {visible(next_step)}", file=sys.stderr)


def _bug(error: BaseException) -> int:
    """Our own mistake: the traceback goes to a log file whose path is said."""
    handle, name = tempfile.mkstemp(prefix="holdpoint-bug-", suffix=".log")
    with os.fdopen(handle, "w") as log:
        traceback.print_exception(error, file=log)
    _fail(f"this is our bug ({type(error).__name__}); the details are in {name}.", "report it with that file")
    return BUG


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(build: Callable[[Sequence[str]], typer.Typer], argv: Sequence[str]) -> int:
    """Runs one command line and gives its exit code; the only door where errors become words and codes."""
    try:
        shell, rest = _globals(argv)
        with _signals():
            result = build(rest)(rest, obj=shell, standalone_mode=False, prog_name="holdpoint")
    except HoldpointError as error:
        _fail(error.message, error.next_step)
        return _code_of(error)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; what was acknowledged is kept.", "the same command goes on")
        return INTERRUPTED
    except TerminatedError:
        _fail("terminated; what was acknowledged is kept.", "the same command goes on")
        return TERMINATED
    except typer.TyperException as error:
        _fail(error.format_message(), "holdpoint --help, or holdpoint COMMAND --help")
        return USAGE
    except BrokenPipeError:
        # Whoever read us has gone; keep the interpreter from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except Exception as error:  # noqa: BLE001 - the last door: anything else is our bug, said with a log
        return _bug(error)
    return result if isinstance(result, int) else DONE
