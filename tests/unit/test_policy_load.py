"""Policies: the packaged ones, files of the base, their digests, and errors in words."""

from pathlib import Path

import pytest

from harness.data import data_dir
from harness.errors import UsageError
from harness.policy import RULES, load_policy, parse_policy
from harness.policy.load import ALWAYS, KNOWN, PACKAGED

DEFAULT = (data_dir("policies") / "default.toml").read_text()


def nothing(path: str) -> bytes | None:
    return None


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_policies_name_every_rule_and_explain_every_line(name: str) -> None:
    policy, digest = load_policy(name, nothing)
    assert policy.name == name
    assert set(policy.rules) == set(KNOWN)
    assert {rule.id for rule in RULES} <= set(policy.rules)
    assert digest.startswith("sha256:")
    text = (data_dir("policies") / f"{name}.toml").read_text()
    bare = [line for line in text.splitlines() if " = " in line and "#" not in line and not line.rstrip().endswith("[")]
    explained = ("non_python",)
    assert [line for line in bare if not line.startswith(explained)] == []


def test_default_blocks_paths_kinds_of_file_and_text_and_routes_the_rest() -> None:
    policy, _ = load_policy("default", nothing)
    assert {name for name, rule in policy.rules.items() if rule.blocks} == {
        "size",
        "not-python",
        "hostile-text",
        "round-trip",
        "shadowed-module",
    }
    assert all(rule.severity != "info" for rule in policy.rules.values()), "then it would be no alarm"


@pytest.mark.parametrize("name", ["strict", "self"])
def test_the_others_are_stricter_than_default(name: str) -> None:
    default, _ = load_policy("default", nothing)
    strict, _ = load_policy(name, nothing)
    assert set(strict.imports) < set(default.imports)
    assert set(strict.non_python) < set(default.non_python)
    assert set(strict.protect) >= set(default.protect)
    assert strict.approvals >= default.approvals
    assert not strict.launcher_may_approve
    for key, value in strict.limits:
        assert value < getattr(default.limits, key)
    for rule, setting in default.rules.items():
        assert strict.rules[rule].blocks >= setting.blocks


def test_the_digest_is_of_the_content_not_of_the_layout() -> None:
    _, packaged = load_policy("default", nothing)
    _, copied = load_policy("ci/my.toml", {"ci/my.toml": ("# mine\n" + DEFAULT).encode()}.get)
    _, changed = load_policy("my.toml", {"my.toml": DEFAULT.replace("max_files = 20", "max_files = 21").encode()}.get)
    assert packaged == copied != changed


@pytest.mark.parametrize("use", ["lax", "../policies/default.toml", "/etc/x.toml", ".git/x.toml", "my.toml", ""])
def test_a_policy_that_is_not_there(use: str) -> None:
    with pytest.raises(UsageError) as error:
        load_policy(use, nothing)
    assert error.value.next_step


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_files = 20 ", "max_file = 20 ", ["limits.max_file", "my.toml"]),
        ("max_files = 20 ", "max_files = -1 ", ["limits.max_files"]),
        ("max_files = 20 ", "max_files = true ", ["limits.max_files"]),
        ("approvals = 1 ", "approvals = 0 ", ["approvals"]),
        ("approvals = 1 ", "aprovals = 1\napprovals = 1 ", ["aprovals", "did you mean 'approvals'"]),
        ("exit-hook ", "exit-hok ", ["rules.exit-hok", "did you mean 'exit-hook'"]),
        ("exit-hook ", "scope ", ["rules.scope", "always blocks"]),
        ('exit-hook         = { severity = "high", blocks = false }', 'exit-hook = "no"', ["exit-hook"]),
        ('severity = "high", blocks = true', 'severity = "awful", blocks = true', ["severity"]),
        ("schema = ", "schema == ", ["not TOML"]),
        ('"holdpoint/policy/1"', '"holdpoint/policy/9"', ["schema", "holdpoint/policy/1"]),
    ],
)
def test_errors_name_file_and_key(old: str, new: str, words: list[str]) -> None:
    assert old in DEFAULT
    with pytest.raises(UsageError) as error:
        parse_policy(DEFAULT.replace(old, new, 1).encode(), "my.toml")
    for word in words:
        assert word in str(error.value)


def test_not_utf8() -> None:
    with pytest.raises(UsageError, match="not TOML"):
        parse_policy(b"\xff", "my.toml")


def test_a_rule_that_is_not_named_blocks() -> None:
    lines = [line for line in DEFAULT.splitlines() if not line.startswith("file-write")]
    policy = parse_policy("\n".join(lines).encode(), "my.toml")
    finding = policy.finding("file-write", "a.py", 3, "x")
    assert finding.blocking
    assert finding.severity == KNOWN["file-write"]
    assert policy.finding("no-such-rule", "a.py", 1, "x").blocking


def test_what_always_blocks_cannot_be_set() -> None:
    assert not set(ALWAYS) & set(KNOWN)


def test_policies_ship_with_the_package() -> None:
    assert {path.name for path in Path(data_dir("policies")).glob("*.toml")} == {f"{n}.toml" for n in PACKAGED}
