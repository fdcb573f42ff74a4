"""Writes holdpoint.toml with every key explained, and changes the reviewers of an existing one; pure text.

What it writes is read back first: a text that would not parse to the same values is never returned.
"""

import re
from collections.abc import Iterable, Sequence

from harness.errors import UsageError
from harness.target.config import CONFIG_NAME, ReviewerEntry, TargetConfig
from harness.target.parse import parse_config

_HEADER = re.compile(r"\s*\[")
_REVIEWER = re.compile(r"""\s*\[\[\s*(?:reviewer|"reviewer"|'reviewer')\s*\]\]\s*(?:#.*)?""")

_TEMPLATE = """\
# Holdpoint: what may be changed here, what judges a change, and who may sign for it.
# Everything is read from the base commit, never from a proposal. Unknown keys are errors.

[target]
source = {source}  # the editable scope: files and folders that a proposal may change, and nothing else
tests = {tests}  # the judge: always taken from the base; may not overlap with source
{requirements}  # hash-locked wheels for the sandbox, brought in on the host
ref = {ref}  # the protected branch: only `holdpoint merge` should move it

[sandbox]  # limits of one trial; at a limit the trial ends and is not a pass
timeout = "120s"  # wall-clock time: "90s", "2m", "1h"
memory = "1GiB"  # "512MiB", "2GiB"; swap is off
cpus = 1.0  # cores
pids = 128  # processes and threads
output = "4MiB"  # standard output and error together
runtime = "runc"  # or what the engine has of stronger ones, such as "runsc" (gVisor) or "kata"
worker = "file"  # or "test": how often the candidate gets a fresh process
replay = 3000  # calls a side on which base and candidate are compared after the tests passed; 0 for none
artifacts = []  # files below /work that the candidate's tests leave for the reader, such as ["report/*.xml"]

[policy]
use = "default"  # default, strict, self, or a .toml file in this repository
protect = []  # more paths that a proposal may not touch, such as ["bench/**"]
imports = []  # modules that a proposal may newly import beside the harmless ones, such as ["numpy"]
# block_from = "high"  # low, medium, high, critical: refuse every finding that is as severe, whatever the policy says

# One [[metric]] table for each number that must not get worse, or should get better.
# [[metric]]
# name = "lookup"  # as results call it
# kind = "time"  # time, cpu, memory, score, count, pass_fail
# direction = "lower"  # lower or higher: which is better
# unit = "s"  # for people
# run = "bench/bench.py"  # prints one JSON object a line: metric, task, seed, value; or instead of run:
# suite = "pytest-benchmark"  # or "asv": run is a suite that is here already
# bench = "repair"  # the [[bench]] below that measures it
# role = "objective"  # or guardrail, which may only veto
# effect = 0.03  # smallest effect worth finding (3 %)
# margin = 0.02  # as a guardrail: may not be worse by more
# pairs = 60  # at most so many pairs of runs
# exact = false  # true: deterministic, compared exactly
# then = "evaluations"  # another exact metric of the same bench that breaks ties

# One [[bench]] table for each judge that runs apart from the candidate and talks to it line by line.
# [[bench]]
# name = "repair"  # as a [[metric]] calls it
# judge = "bench/judge.py"  # taken from the base
# candidate = "pkg.worker"  # the module that answers
# ships = ["src/**"]  # what the candidate's container gets
# scratch = "bench/scratch.py"  # a second container for what the judge must execute
# files = ["bench/**"]  # what the judge gets, from the base
# timeout = "10s"  # silence allowed
# total = "5m"  # the whole benchmark

# The proposer that lives in this repository, if there is one.
# [agent]
# module = "pkg.propose"  # what runs in a container and proposes over a line protocol
# ships = ["src/**"]  # what its container gets

[self]
allow = false  # true: the proposer's own package may be the target (not recommended in production)

# One [[reviewer]] table for each person who may sign: a name, and one OpenSSH public key (a hardware key if there
# is one). Change them with `holdpoint reviewer`. `roles` are names that the policy's `required` may ask for.
"""


def render_config(
    source: Sequence[str],
    tests: Sequence[str],
    ref: str,
    reviewers: Iterable[ReviewerEntry],
    requirements: str | None = None,
) -> str:
    """A holdpoint.toml that parses to exactly these values; UsageError when they are not allowed."""
    body = _TEMPLATE.format(
        source=_list(source),
        tests=_list(tests),
        ref=_string(ref),
        requirements=f"requirements = {_string(requirements)}"
        if requirements
        else '# requirements = "requirements.lock"',
    )
    text = body + _tables(tuple(reviewers))
    parse_config(text)
    return text


def set_reviewers(text: str, reviewers: Iterable[ReviewerEntry]) -> str:
    """`text` with its [[reviewer]] tables replaced and every other line as it was.

    UsageError when the text is no configuration, or its reviewers cannot be replaced safely.
    """
    wanted = tuple(reviewers)
    before = parse_config(text)
    lines = text.splitlines(keepends=True)
    kept, place = _without_tables(lines)
    if place is None:
        kept, place = [*_ended(kept)], len(kept)
    tables = _tables(wanted)
    if place < len(kept) and tables:
        tables += "\n"
    after = "".join(kept[:place]) + tables + "".join(kept[place:])
    _check_only_reviewers_changed(after, before, wanted)
    return after


def _without_tables(lines: list[str]) -> tuple[list[str], int | None]:
    """The lines without [[reviewer]] tables, and where the first one stood; comments around them stay."""
    kept: list[str] = []
    place: int | None = None
    index = 0
    while index < len(lines):
        if not _REVIEWER.fullmatch(lines[index].rstrip("\r\n")):
            kept.append(lines[index])
            index += 1
            continue
        place = len(kept) if place is None else place
        end = last = index + 1
        while end < len(lines) and not _HEADER.match(lines[end]):
            if lines[end].strip() and not lines[end].lstrip().startswith("#"):
                last = end + 1
            end += 1
        index = last
        while index < len(lines) and not lines[index].strip():
            index += 1
    return kept, place


def _ended(lines: list[str]) -> list[str]:
    if lines and not lines[-1].endswith("\n"):
        return [*lines[:-1], lines[-1] + "\n"]
    return lines


def _check_only_reviewers_changed(text: str, before: TargetConfig, wanted: tuple[ReviewerEntry, ...]) -> None:
    try:
        changed = parse_config(text) != before.model_copy(update={"reviewers": wanted})
    except UsageError:
        changed = True
    if changed:
        raise UsageError(
            f"the [[reviewer]] tables of {CONFIG_NAME} are written in a way that cannot be replaced safely.",
            f"write each as its own [[reviewer]] table with name and key, or edit {CONFIG_NAME} by hand",
        )


def _tables(reviewers: tuple[ReviewerEntry, ...]) -> str:
    return "\n".join(
        f"[[reviewer]]\nname = {_string(entry.name)}\nkey = {_string(entry.key)}\nroles = {_list(entry.roles)}\n"
        for entry in reviewers
    )


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_string, values))}]"


def _string(value: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        "\\" + char if char in '"\\' else char if char.isprintable() else f"\\U{ord(char):08X}" for char in value
    )
    return f'"{escaped}"'
