"""Overlay and edits become a patch, or a reason that says what was found and what is allowed."""

import json
from collections.abc import Callable

import pytest

from harness.patch import EditsDocument, Malformed, from_edits, from_overlay, parse_edits, path_fault
from harness.records import FileEdit, Patch

BASE = {"src/a.py": b"one\ntwo\nthree\n", "src/b.py": b"b\n", "logo.png": b"\x89PNG\0", "latin.txt": b"\xe9\n"}


def edits(*each: object, **more: object) -> bytes:
    document = {"schema": "holdpoint/edits/1", "title": "t", "rationale": "r", "author": "a", "edits": list(each)}
    return json.dumps(document | more).encode()


def why(found: Patch | Malformed | EditsDocument) -> str:
    assert isinstance(found, Malformed), found
    return found.why


def test_overlay_sorts_and_drops_what_changes_nothing() -> None:
    patch = from_overlay({"src/z.py": b"z\n", "src/b.py": b"b\n", "src/a.py": b"new\n"}, ["logo.txt"][:0], BASE.get)
    assert patch == Patch(
        edits=(
            FileEdit(path="src/a.py", before="one\ntwo\nthree\n", after="new\n"),
            FileEdit(path="src/z.py", before=None, after="z\n"),
        )
    )


def test_overlay_deletes() -> None:
    assert from_overlay({}, ["src/b.py"], BASE.get) == Patch(
        edits=(FileEdit(path="src/b.py", before="b\n", after=None),)
    )


@pytest.mark.parametrize(
    ("files", "delete", "word"),
    [
        ({}, (), "changes nothing"),
        ({"src/b.py": b"b\n"}, (), "changes nothing"),
        ({}, ("src/none.py",), "no such file to delete"),
        ({"src/b.py": b"x"}, ("src/b.py",), "both given and deleted"),
        ({"src/b.py": b"x\0"}, (), "NUL"),
        ({"src/b.py": b"\xff"}, (), "not UTF-8"),
        ({"logo.png": b"text"}, (), "base's file"),
        ({"latin.txt": b"text"}, (), "base's file"),
        ({}, ("logo.png",), "base's file"),
        ({"src/b.py/c.py": b"x"}, (), "cannot hold"),
        ({"src/n": b"x", "src/n/c.py": b"x"}, (), "a folder of"),
        ({"src/N.py": b"x", "src/n.py": b"x"}, (), "only in case"),
    ],
)
def test_overlay_refuses(files: dict[str, bytes], delete: tuple[str, ...], word: str) -> None:
    assert word in why(from_overlay(files, delete, BASE.get))


@pytest.mark.parametrize(
    "path", ["a.py", "src/pkg/a.py", "src/ünïcode.py", "a/.gitignore", "git/x", ".github/x", "a b.py"]
)
def test_plain_paths(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/.", "a/", "-rf", "a\\b", "C:x", "a:b",
        ".git/config", "a/.GIT/x", ".git", "git~1/config", "GIT~2", ".git./x", ".git /x", "\uff0egit/x", ".g\u200bit/x",
        "a\nb", "a\x1b[0m", "a\x7f", "a\u202eb", "a\ud800", "e\u0301.py", "x" * 401, "y" * 256, "a /b", " a", "a.",
    ],
)  # fmt: skip
def test_paths_that_could_leave_or_hide(path: str) -> None:
    assert path_fault(path)
    assert isinstance(from_overlay({path: b"x"}, (), BASE.get), Malformed)


def test_edits_of_all_three_kinds() -> None:
    document = edits(
        {"path": "src/a.py", "search": "two", "replace": "2"},
        {"path": "src/a.py", "search": "2\n", "replace": "II\n"},
        {"path": "src/n.py", "content": "new\n"},
        {"path": "src/b.py", "delete": True},
    )
    assert from_edits(document, BASE.get) == Patch(
        edits=(
            FileEdit(path="src/a.py", before="one\ntwo\nthree\n", after="one\nII\nthree\n"),
            FileEdit(path="src/b.py", before="b\n", after=None),
            FileEdit(path="src/n.py", before=None, after="new\n"),
        )
    )
    parsed = parse_edits(document)
    assert isinstance(parsed, EditsDocument)
    assert (parsed.title, parsed.rationale, parsed.author) == ("t", "r", "a")
    assert from_edits(parsed, BASE.get) == from_edits(document, BASE.get)


@pytest.mark.parametrize(
    ("document", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "schema.json"),
        (b"[" * 200_000, "nested too deeply"),
        (edits(), "edits"),
        (edits({"path": "src/a.py", "content": "x"}, schema="holdpoint/edits/2"), "holdpoint/edits/1"),
        (edits({"path": "src/a.py", "content": "x"}, titel="x"), "titel"),
        (edits({"path": "src/a.py", "content": "x"}, title="x" * 201), "title"),
        (edits({"path": "src/a.py", "content": 5}), "edits.0.content"),
        (edits({"path": "src/a.py", "content": "x", "replace": "y"}), "search"),
        (edits({"path": "src/a.py", "delete": False}), "delete"),
        (edits({"path": "src/a.py"}), "content"),
        (edits({"path": "src/a.py", "search": "", "replace": "x"}), "search"),
        (edits({"path": "src/a.py", "search": "none", "replace": "x"}), "does not occur"),
        (edits({"path": "src/a.py", "search": "e\n", "replace": "x"}), "more than once"),
        (edits({"path": "src/none.py", "search": "e", "replace": "x"}), "no such file"),
        (edits({"path": "logo.png", "search": "P", "replace": "x"}), "base's file"),
        (edits({"path": "src/a.py", "content": "x"}, {"path": "src/a.py", "delete": True}), "more than once"),
        (edits({"path": "../a.py", "content": "x"}), "'..'"),
        (edits({"path": "src/a.py", "search": "two", "replace": "two"}), "changes nothing"),
        (b'{"schema": "holdpoint/edits/1", "schema": "x"}', "twice"),
        (edits({"path": "src/a.py", "content": "x"}).replace(b'"x"', b'"\\ud800"'), ""),
        (edits({"path": "src/a.py", "content": "x"}).replace(b'"x"', b"1e400"), "edits.0.content"),
        (b'{"schema": ' + b"9" * 5000 + b"}", ""),
    ],
)
def test_edits_refuse(document: bytes, word: str) -> None:
    assert word in why(from_edits(document, BASE.get))


def test_overlapping_occurrences_are_more_than_one() -> None:
    read: Callable[[str], bytes | None] = {"a": b"aaa"}.get
    assert "more than once" in why(from_edits(edits({"path": "a", "search": "aa", "replace": "b"}), read))


def test_replacement_may_use_what_an_earlier_edit_made() -> None:
    document = edits({"path": "n.py", "content": "x = 1\n"}, {"path": "n.py", "search": "1", "replace": "2"})
    assert from_edits(document, BASE.get) == Patch(edits=(FileEdit(path="n.py", before=None, after="x = 2\n"),))
