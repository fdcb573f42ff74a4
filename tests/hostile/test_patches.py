"""Patches made to break the parser, the harness or the reader: each ends as a finding or a clear word, quickly."""

import time
from collections.abc import Iterator

import pytest

from harness.limited import Limited
from harness.patch import Malformed, from_diff, from_edits, from_overlay, unified
from harness.policy import blocked, check, load_policy, open_inspector
from harness.policy.inspector import _ENTRY
from harness.records import FileEdit, Finding, Patch
from harness.target import parse_config

POLICY = load_policy("default", lambda _: None)[0]
ROOMY = POLICY.model_copy(
    update={
        "limits": POLICY.limits.model_copy(
            update={"max_files": 10**6, "max_changed_lines": 10**9, "max_file_bytes": 10**9}
        )
    }
)
CONFIG = parse_config('[target]\nsource = ["src"]\ntests = ["tests"]\n')
STRICTER = parse_config('[target]\nsource = ["src"]\ntests = ["tests"]\n[policy]\nblock_from = "high"\n')
FLOOD = "import os\n" + "open('a', 'w')\n" * 500 + "os.abort()\n"


@pytest.fixture(scope="module")
def inspector() -> Iterator[Limited]:
    with open_inspector() as child:
        yield child


def new(text: str, path: str = "src/a.py") -> Patch:
    return Patch(edits=(FileEdit(path=path, before=None, after=text),))


def findings(text: str, inspector: Limited) -> tuple[Finding, ...]:
    found = check(new(text), ROOMY, CONFIG, "agent", inspector)
    for finding in found:
        assert finding.message.isprintable()
        assert len(finding.message) < 800
    return found


NESTS = {
    "open parentheses": "(" * 3000,
    "many open parentheses": "(" * 300_000,
    "closed parentheses": "x = " + "(" * 3000 + ")" * 3000,
    "brackets": "x = " + "[" * 3000 + "]" * 3000,
    "minus signs": "x = " + "-" * 50_000 + "1\n",
    "not": "x = " + "not " * 20_000 + "1\n",
    "calls": "x" + "()" * 20_000 + "\n",
    "lambdas": "x = " + "lambda: " * 20_000 + "1\n",
    "f-strings": "x = " + "f'{" * 3000 + "1" + "}'" * 3000 + "\n",
    "f-string specs": "x = f'{" + "a:{" * 3000 + "}" * 3000 + "}'\n",
    "blocks": "".join("\t" * depth + "if x:\n" for depth in range(500)) + "\t" * 500 + "y = 1\n",
    "comparisons": "x = " + "(1 < " * 250 + "1" + ")" * 250 + "\n",
    "decorators and classes": "@x\n" * 5 + "class A:\n" * 200,
    "conditional": "x = " + "1 if " * 3000 + "1" + " else 1" * 3000 + "\n",
    "await": "async def f():\n x = " + "await " * 20_000 + "y\n",
    "stars": "x = " + "*" * 10_000 + "y\n",
    "dictionaries": "x = " + "{1: " * 3000 + "1" + "}" * 3000 + "\n",
    "backslashes": "x = \\\n" * 50_000,
    "int": "x = " + "9" * 100_000 + "\n",
    "unterminated": "x = '''" + "a\n" * 10_000,
    "surrogate escape in source": "x = '\\ud800'\nx = \\ud800\n",
    "null in the middle": "x = 1\n\x00y = 2\n",
}


@pytest.mark.parametrize("name", NESTS)
def test_what_breaks_parsers_is_a_finding(inspector: Limited, name: str) -> None:
    start = time.monotonic()
    found = findings(NESTS[name], inspector)
    assert {f.rule for f in found if f.blocking} & {"parse"}
    assert time.monotonic() - start < 45
    assert findings("x = 1\n", inspector) == ()


UNUSUAL = [
    "x = " + " + ".join(["a"] * 900) + "\n",
    "x = a" + ".b" * 300 + "\n",
    "x = " + "(" * 90 + "1" + ")" * 90 + "\n",
    "if a:\n    pass\n" + "elif a:\n    pass\n" * 300,
    "def f():\n    return " + " or ".join(f"a == {n}" for n in range(900)) + "\n",
    "X = {\n" + "".join(f"    {n}: 'text {n}',\n" for n in range(1500)) + "}\n",
]


@pytest.mark.parametrize("text", UNUSUAL, ids=["sum", "attributes", "parentheses", "elif", "or", "table"])
def test_what_is_only_unusual_is_accepted(inspector: Limited, text: str) -> None:
    # A long table is told to the reader, and stops nothing.
    routed = ["literal-table"] if text.startswith("X = {") else []
    found = findings(text, inspector)
    assert [each.rule for each in found] == routed
    assert not any(each.blocking for each in found)


def test_a_crash_names_the_file_and_spares_the_others(inspector: Limited) -> None:
    patch = Patch(
        edits=(
            FileEdit(path="src/a.py", before=None, after="x = 1\n"),
            FileEdit(path="src/b.py", before=None, after="x" + "()" * 20_000 + "\n"),
            FileEdit(path="src/c.py", before=None, after="x = 1\n"),
        )
    )
    (found,) = check(patch, ROOMY, CONFIG, "agent", inspector)
    assert (found.rule, found.path, found.blocking) == ("parse", "src/b.py", True)


def test_a_parser_that_takes_too_long_is_a_finding() -> None:
    with Limited(_ENTRY, cpu_s=1, wall_s=20) as short:
        (found,) = findings("x = a" + ".a" * 6000 + "\n", short)
    assert found.rule == "parse"
    assert "did not finish" in found.message


def test_a_million_lines(inspector: Limited) -> None:
    start = time.monotonic()
    found = check(new("x\n" * 1_000_000), POLICY, CONFIG, "agent", inspector)
    assert {"size", "parse"} == {f.rule for f in found}
    assert blocked(found)
    assert time.monotonic() - start < 20


def test_memory_is_bounded(inspector: Limited) -> None:
    found = findings("x=[" + "1," * 300_000 + "]\n", inspector)
    assert [f.rule for f in found] == ["parse"]


FOLDS = [
    "x = '%9999999999s' % 'x'\n",
    "x = '{:>9999999999}'.format('x')\n",
    "x = 'a' * 10**12\n",
    "x = " + "'a'.join(" * 60 + "'b'" + ")" * 60 + "\n",
    "x = b'a'.join([b'b'] * 10**9)\n",
    "x = 'a'.replace('', 'b' * 10**9)\n",
]


@pytest.mark.parametrize("text", FOLDS, ids=range(len(FOLDS)))
def test_constant_folding_is_bounded(inspector: Limited, text: str) -> None:
    assert not blocked(findings(text, inspector))


def test_many_findings_are_cut_but_still_block(inspector: Limited) -> None:
    found = findings(FLOOD, inspector)
    assert len(found) <= 200
    assert found[0].rule == "process-exit", "the most severe first, so that no flood hides it"
    assert blocked(check(new(FLOOD), ROOMY, STRICTER, "agent", inspector))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"x = '\xe9'\n",
        b"\x00",
        "x = 1\n".encode("utf-16"),
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
    ],
)
def test_bytes_that_are_no_text(data: bytes) -> None:
    assert isinstance(from_overlay({"src/a.py": data}, (), {}.get), Malformed)
    assert isinstance(from_diff(data, {}.get), Malformed)
    assert isinstance(from_edits(data, {}.get), Malformed)


def test_a_diff_that_smuggles_lines_into_the_next_file() -> None:
    hidden = "--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-b\n+evil\n"
    patch = new("x = 1\n" + hidden, "src/a.py")
    assert from_diff(unified(patch), {"b.py": b"b\n"}.get) == patch


def test_a_hunk_header_with_huge_numbers_is_refused_at_once() -> None:
    start = time.monotonic()
    for header in (
        "@@ -1,999999999 +1,999999999 @@",
        "@@ -999999999 +999999999 @@",
        "@@ -1 +1,99999999999999999999 @@",
    ):
        found = from_diff(f"--- a/a\n+++ b/a\n{header}\n-x\n+y\n", {"a": b"x\n"}.get)
        assert isinstance(found, Malformed)
    assert time.monotonic() - start < 1


def test_an_agent_cannot_bring_its_own_policy(inspector: Limited) -> None:
    patch = Patch(
        edits=(
            FileEdit(path="holdpoint.toml", before="[policy]\n", after="[policy]\nuse = 'lax'\n"),
            FileEdit(path="src/a.py", before=None, after="import os\nos.abort()\n"),
        )
    )
    found = check(patch, POLICY, CONFIG, "agent", inspector)
    assert {f.rule for f in found if f.blocking} == {"protected-path"}
    found = check(patch, POLICY, STRICTER, "agent", inspector)
    assert {f.rule for f in found if f.blocking} == {"protected-path", "process-exit"}
