"""Patterns are compared part by part."""

import pytest

from harness.policy.globs import allows, first, guards


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("a/b.py", "a/b.py", True),
        ("a/b.py", "a/b.pyc", False),
        ("a/*.py", "a/b.py", True),
        ("a/*.py", "a/b/c.py", False),
        ("a/**", "a/b/c.py", True),
        ("a/**", "ab/c.py", False),
        ("**/x.md", "x.md", True),
        ("**/x.md", "a/b/x.md", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/b/d", False),
        ("*.md", "a/x.md", False),
        ("a/[bc].py", "a/b.py", True),
        ("a/?.py", "a/bb.py", False),
        ("A.py", "a.py", False),
        ("**/**/**/**/**/**/**/x", "/".join("abcdefghij") * 20, False),
    ],
)
def test_allows(pattern: str, path: str, found: bool) -> None:
    assert allows(pattern, path) is found


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("conftest.py", "conftest.py", True),
        ("conftest.py", "src/pkg/conftest.py", True),
        ("conftest.py", "src/CONFTEST.py", True),
        ("conftest.py", "src/xconftest.py", False),
        ("conftest.py", "src/conftest.py.md", False),
        (".github", ".github/workflows/x.yml", True),
        (".github/", "deep/.github/x", True),
        (".github/**", ".github/x", True),
        ("bench/**", "bench/a/b.py", True),
        ("bench/**", "benchmark/b.py", False),
        ("./tests", "tests/test_a.py", True),
        ("./tests", "src/tests/test_a.py", False),
        ("*.pth", "src/x.pth", True),
        ("a/*.py", "a/x.py", True),
        ("a/*.py", "a/x.py/y", True),
        ("a/b", "a", False),
    ],
)
def test_guards(pattern: str, path: str, found: bool) -> None:
    assert guards(pattern, path) is found


def test_first_names_the_pattern() -> None:
    assert first(["a", "b/**", "*.x"], "b/q.x") == "b/**"
    assert first(["a"], "b") is None
