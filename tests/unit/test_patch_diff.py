"""Diffs are rendered canonically, applied exactly, and refused in words."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness.patch import Malformed, counts, from_diff, unified
from harness.patch.diff import changes, lines
from harness.records import FileEdit, Patch

BASE = {
    "a.py": b"".join(b"%d\n" % number for number in range(1, 21)),
    "b.py": b"x",
    "e.py": b"",
    "crlf.py": b"a\r\nb\r\n",
    "bin": b"\0",
}
HEAD = "--- a/a.py\n+++ b/a.py\n"


def why(diff: str | bytes) -> str:
    found = from_diff(diff, BASE.get)
    assert isinstance(found, Malformed), found
    return found.why


def edited(before: bytes, *swaps: tuple[bytes, bytes]) -> str:
    for old, new in swaps:
        before = before.replace(old, new, 1)
    return before.decode()


def test_canonical_form() -> None:
    patch = Patch(
        edits=(
            FileEdit(path="a.py", before=BASE["a.py"].decode(), after=edited(BASE["a.py"], (b"2\n", b"two\n"))),
            FileEdit(path="b.py", before="x", after="y\n"),
            FileEdit(path="e.py", before="", after=None),
            FileEdit(path="n w.py", before=None, after="n"),
        )
    )
    assert unified(patch) == (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n"
        "diff --git a/b.py b/b.py\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n"
        "diff --git a/e.py b/e.py\ndeleted file mode 100644\n"
        "diff --git a/n w.py b/n w.py\nnew file mode 100644\n--- /dev/null\n+++ b/n w.py\t\n"
        "@@ -0,0 +1 @@\n+n\n\\ No newline at end of file\n"
    )
    assert counts(patch) == (3, 2)
    assert from_diff(unified(patch), BASE.get) == patch


def test_far_changes_are_two_hunks_and_near_ones_one() -> None:
    def hunks(*swaps: tuple[bytes, bytes]) -> int:
        after = edited(BASE["a.py"], *swaps)
        return unified(Patch(edits=(FileEdit(path="a", before=BASE["a.py"].decode(), after=after),))).count("@@ -")

    assert hunks((b"3\n", b"x\n"), (b"10\n", b"y\n")) == 1
    assert hunks((b"3\n", b"x\n"), (b"11\n", b"y\n")) == 2


@pytest.mark.parametrize("only_lf", ["a\x0cb\n", "a\u2028b\n", "a\rb\n", "\x85\n", "a\x1cb\n"])
def test_only_lf_ends_a_line(only_lf: str) -> None:
    assert len(lines(only_lf)) == 1
    patch = Patch(edits=(FileEdit(path="a", before=None, after=only_lf * 2),))
    assert counts(patch) == (2, 0)
    assert from_diff(unified(patch), {}.get) == patch


@pytest.mark.parametrize(
    "diff",
    [
        HEAD + "@@ -2 +2 @@\n-2\n+two\n",
        "Index: a.py\n--- a.py\t2020-01-01\n+++ a.py\t2020-01-01\n@@ -2 +2 @@ def f():\n-2\n+two\n",
        "From 123 Mon\nSubject: x\n\n---\n a.py | 2\n\ndiff --git a/a.py b/a.py\nindex 1..2 100644\n"
        + HEAD
        + "@@ -2 +2 @@\n-2\n+two\n-- \n2.39.0\n\n",
        'diff --git "a/a.py" "b/a.py"\n--- "a/a.py"\n+++ "b/\\141.py"\n@@ -2 +2 @@\n-2\n+two\n',
    ],
)
def test_common_forms_are_read(diff: str) -> None:
    patch = from_diff(diff, BASE.get)
    after = edited(BASE["a.py"], (b"2\n", b"two\n"))
    assert patch == Patch(edits=(FileEdit(path="a.py", before=BASE["a.py"].decode(), after=after),))
    assert from_diff(diff.encode(), BASE.get) == patch


def test_carriage_returns_belong_to_the_text() -> None:
    patch = from_diff("--- a/crlf.py\n+++ b/crlf.py\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n", BASE.get)
    assert patch == Patch(edits=(FileEdit(path="crlf.py", before="a\r\nb\r\n", after="a\r\nc\r\n"),))


@pytest.mark.parametrize(
    ("diff", "word"),
    [
        ("", "no unified diff"),
        ("hello\n", "no unified diff"),
        (b"\xff", "not UTF-8"),
        (b"--- a/x\0", "NUL"),
        (HEAD, "changes nothing"),
        ("--- a/a.py\n", "'+++'"),
        (HEAD + "@@ -2 +2 @@\n-3\n+x\n", "line 2: expected '3␊', found '2␊'"),
        (HEAD + "@@ -3 +3 @@\n-2\n+x\n", "line 3"),
        (HEAD + "@@ -20,2 +20,2 @@\n 20\n-21\n+x\n", "end of the file"),
        (HEAD + "@@ -40,0 +41 @@\n+x\n", "after the end"),
        (HEAD + "@@ -2,3 +2 @@\n-2\n+x\n", "before the counts"),
        (HEAD + "@@ -2 +2 @@\n-2\n-3\n+x\n", "counts"),
        (HEAD + "@@ -2 +2 @@\n*2\n+x\n", "allowed"),
        (HEAD + "@@ what @@\n-2\n", "no hunk header"),
        (HEAD + "@@ -5 +5 @@\n-5\n+x\n@@ -5 +5 @@\n-5\n+y\n", "overlaps"),
        (HEAD + "@@ -2 +2 @@\n-2\n+x\nrubbish\n", "belongs to no file"),
        (HEAD + "@@ -2 +2 @@\n-2\n+x\n" + HEAD + "@@ -3 +3 @@\n-3\n+x\n", "more than once"),
        (HEAD + "@@ -2 +2 @@\n-2\n+x\n\\ No newline at end of file\n", "before the file's last line"),
        ("--- a/a.py\n+++ b/c.py\n@@ -2 +2 @@\n-2\n+x\n", "renames"),
        ("--- a/none.py\n+++ b/none.py\n@@ -2 +2 @@\n-2\n+x\n", "does not have it"),
        ("--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+x\n", "the base has it"),
        ("--- a/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n", "does not remove all"),
        ("--- /dev/null\n+++ /dev/null\n", "no file on either side"),
        ("--- a/bin\n+++ b/bin\n@@ -1 +1 @@\n-x\n+y\n", "base's file"),
        ("--- a/../x\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n", "'..'"),
        ("--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n", "git's own folder"),
        ("diff --git a/a.py b/c.py\nsimilarity index 90%\nrename from a.py\nrename to c.py\n", "rename"),
        ("diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n", "file mode"),
        ("diff --git a/n b/n\nnew file mode 120000\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+/etc\n", "symbolic link"),
        ("diff --git a/n b/n\nnew file mode 160000\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n", "submodule"),
        ("diff --git a/n b/n\nnew file mode 100755\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n", "executable"),
        ("diff --git a/a.py b/a.py\nindex 1..2 120000\n" + HEAD + "@@ -1 +1 @@\n-1\n+x\n", "symbolic link"),
        ("diff --git a/x b/x\nnew file mode 100644\nGIT binary patch\nliteral 1\n", "binary"),
        ("diff --git a/x b/x\nBinary files a/x and b/x differ\n", "binary"),
        ("diff --git a/a.py b/a.py\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-x\n+y\n", "disagree"),
        ("diff --git a/a.py b/a.py\ndeleted file mode 100644\n" + HEAD + "@@ -1 +1 @@\n-1\n+y\n", "disagree"),
        ("diff --git a/a.py b/a.py\n", "nothing about it is changed"),
        ("diff --git a/a.py b/a.py\nwhat is this\n", "no header of git's"),
        ('--- "a/\\377"\n+++ "b/\\377"\n', "not UTF-8"),
    ],
)
def test_refused_in_words(diff: str | bytes, word: str) -> None:
    assert word in why(diff)


def test_hostile_text_does_not_make_the_diff_slow() -> None:
    # difflib alone needs 40 s for this.
    a = [line for number in range(500) for line in ("x\n", "x\n", "x\n", f"A{number}\n")]
    b = [line for number in range(500) for line in ("x\n", "x\n", "x\n", f"B{number}\n")]
    start = time.process_time()
    found = changes(a, b)
    assert time.process_time() - start < 2
    rebuilt, at = [], 0
    for a0, a1, b0, b1 in found:
        rebuilt += a[at:a0] + b[b0:b1]
        at = a1
    assert rebuilt + a[at:] == b


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_applies_what_we_render(tmp_path: Path) -> None:
    before = BASE["a.py"].decode()
    after = edited(BASE["a.py"], (b"2\n", b"two\nand\n"), (b"19\n", b""), (b"20\n", b"20"))
    patch = Patch(
        edits=(
            FileEdit(path="a.py", before=before, after=after),
            FileEdit(path="d/ü n.py", before=None, after="new\n"),
            FileEdit(path="e.py", before=None, after=""),
        )
    )
    (tmp_path / "a.py").write_text(before)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=unified(patch).encode(), check=True)
    assert {e.path: (tmp_path / e.path).read_text() for e in patch.edits} == {e.path: e.after for e in patch.edits}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_we_apply_what_git_renders(tmp_path: Path) -> None:
    before, after = BASE["a.py"].decode(), edited(BASE["a.py"], (b"2\n", b"two\nand\n"), (b"20\n", b"20"))
    (tmp_path / "a.py").write_text(before)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text(after)
    (tmp_path / "ü n.py").write_text("new\n")
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    diff = subprocess.run([*git, "diff", "--cached"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert from_diff(diff, BASE.get) == Patch(
        edits=(
            FileEdit(path="a.py", before=before, after=after),
            FileEdit(path="ü n.py", before=None, after="new\n"),
        )
    )
