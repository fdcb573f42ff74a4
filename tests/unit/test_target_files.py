"""Finding source and tests by convention, writing holdpoint.toml, and changing its reviewers."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.target import ReviewerEntry, TargetConfig, discover, parse_config, render_config, set_reviewers

ANA = ReviewerEntry(name="ana", key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqnHCAcXZk9TFv7XsDkShtUaKQn5EBENIZc6lUR17C1")
BEN = ReviewerEntry(name="ben", key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqnHCAcXZk9TFv7XsDkShtUaKQn5EBENIZc6lUR17C2")

LAYOUTS = {
    "src": (["src/pkg/__init__.py", "src/pkg/a/b.py", "tests/test_a.py", "setup.py"], ["src/pkg"], ["tests"]),
    "two below src": (["src/a/x.py", "src/b.py", "test/test_x.py"], ["src/a", "src/b.py"], ["test"]),
    "src wins over packages": (["src/a/x.py", "b/__init__.py", "tests/t.py"], ["src/a"], ["tests"]),
    "package": (["pkg/__init__.py", "pkg/sub/__init__.py", "tests/__init__.py", "docs/conf.py"], ["pkg"], ["tests"]),
    "module": (["one.py", "test_one.py", "conftest.py", "setup.py"], ["one.py"], ["test_one.py"]),
    "both": (["one.py", "pkg/__init__.py", "tests/t.py", "one_test.py"], ["one.py", "pkg"], ["tests", "one_test.py"]),
    "names no file could have": (["a.py", "/abs.py", "a\nb.py", "-x.py", "tests/t.py"], ["a.py"], ["tests"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_conventions(layout: str):
    files, source, tests = LAYOUTS[layout]
    assert discover(files) == (tuple(source), tuple(tests))
    assert discover(reversed(files)) == discover(files)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "no tracked Python file"),
        (["README.md"], "no tracked Python file"),
        (["src/p/a.py"], "no tests were found"),
        (["tests/test_a.py", "setup.py"], "no source was found"),
        (["pkg/__init__.py", "pkg/tests/test_a.py"], "inside the source (pkg/tests)"),
        (["pkg/__init__.py", "pkg/test_a.py"], "inside the source (pkg/test_a.py)"),
    ],
)
def test_a_tree_without_source_or_tests_is_an_error_with_a_next_step(files: list[str], says: str):
    with pytest.raises(UsageError) as caught:
        discover(files)
    assert says in caught.value.message
    assert caught.value.next_step


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12).map(lambda name: name + ".py"), max_size=6))
def test_whatever_is_discovered_can_be_written_and_read_back(names: list[str]):
    try:
        source, tests = discover([*names, "src/p/m.py", "tests/t.py"])
    except UsageError:
        return
    config = parse_config(render_config(source, tests, "main", [ANA]))
    assert (config.target.source, config.target.tests) == (source, tests)


def test_what_is_rendered_reads_back_to_the_same_values():
    text = render_config(["src/a b", 'src/"q"'], ["tests"], "release/1", [ANA, BEN], "requirements.lock")
    config = parse_config(text)
    assert config.target.source == ("src/a b", 'src/"q"')
    assert (config.target.ref, config.target.requirements) == ("release/1", "requirements.lock")
    assert config.reviewers == (ANA, BEN)
    rest = parse_config('[target]\nsource = ["s"]\ntests = ["t"]\n')
    assert config == rest.model_copy(update={"target": config.target, "reviewers": (ANA, BEN)})
    assert parse_config(render_config(["s"], ["t"], "main", [])).target.requirements is None


def test_every_key_is_rendered_with_a_comment():
    text = render_config(["src"], ["tests"], "main", [ANA])
    lines = text.splitlines()
    sections = {"target": "target", "sandbox": "sandbox", "policy": "policy", "self": "self_", "agent": "agent"}
    lists = {"metric": "metrics", "bench": "benches", "reviewer": "reviewers"}
    for key, field in (sections | lists).items():
        header = f"[[{key}]]" if key in lists else f"[{key}]"
        start = next(n for n, line in enumerate(lines) if line.removeprefix("# ").split("  #")[0] == header)
        annotation = TargetConfig.model_fields[field].annotation
        record = next(t for t in (annotation, *getattr(annotation, "__args__", ())) if hasattr(t, "model_fields"))
        block = "\n".join(lines[start : start + 16])
        for name in record.model_fields:
            assert re.search(rf"^(# )?{name} = ", block, re.MULTILINE), f"{key}.{name}"
            if key != "reviewer":
                assert re.search(rf"^(# )?{name} = .*  # ", block, re.MULTILINE), f"{key}.{name} is not explained"


def test_every_example_in_the_comments_is_valid():
    text = render_config(["src"], ["tests"], "main", [ANA]).replace('\n# bench = "repair"', "\n# exact = true")
    opened = [line[2:] if re.match(r"# (\[|\w+ = )", line) else line for line in text.splitlines()]
    without_twins = [line for line in opened if not line.startswith(("exact = false", "then = "))]
    config = parse_config("\n".join(without_twins))
    assert config.metrics
    assert config.benches
    assert config.agent


@pytest.mark.parametrize("bad", ["../x", "/x", "a*", ""])
def test_rendering_refuses_what_could_not_be_read(bad: str):
    with pytest.raises(UsageError):
        render_config([bad], ["tests"], "main", [ANA])


HAND_WRITTEN = """\
# ours
[target]
source = ["src"]  # [[reviewer]]
tests = [
  "tests",
]

# the owner
[[reviewer]]
name = "old"   # left in May
key = "%s"

# speed
[[metric]]
name = "m"
kind = "time"
direction = "lower"
run = "b.py"

[[ reviewer ]]  # second
key = "%s"
name = "older"
# at the end
"""


def test_only_the_reviewers_change():
    text = HAND_WRITTEN % (ANA.key, BEN.key)
    changed = set_reviewers(text, [BEN])
    assert parse_config(changed).reviewers == (BEN,)
    kept = [line for line in text.splitlines() if not re.match(r"(name = \"old|key =|\[\[ ?reviewer)", line)]
    assert [line for line in changed.splitlines() if line in kept] == kept
    assert parse_config(set_reviewers(changed, [])).reviewers == ()
    assert parse_config(set_reviewers(set_reviewers(changed, []), [ANA, BEN])).reviewers == (ANA, BEN)


def test_changing_reviewers_twice_changes_nothing_more():
    text = render_config(["src"], ["tests"], "main", [ANA])
    once = set_reviewers(text, [ANA, BEN])
    assert set_reviewers(once, [ANA, BEN]) == once
    assert set_reviewers(once, [ANA]) == text
    assert once.startswith(text.removesuffix("\n"))


METRIC = """[target]
source = ["s"]
tests = ["t"]
[[metric]]
name = "m"
kind = "time"
direction = "lower"
run = "r"
"""


@pytest.mark.parametrize(
    "text",
    [
        '[target]\nsource = ["s"]\ntests = ["t"]\nreviewers = 1\n',
        'reviewer = [{name = "ana", key = "KEY"}]\n[target]\nsource = ["s"]\ntests = ["t"]\n',
        '[target]\nsource = ["s"]\ntests = ["t"]\nref = """\n[[reviewer]]\nname = "x"\n"""\n',
        METRIC + 'unit = """\n[[reviewer]]\nname = "x"\n"""\n',
    ],
)
def test_a_text_that_cannot_be_changed_safely_is_refused(text: str):
    with pytest.raises(UsageError) as caught:
        set_reviewers(text.replace("KEY", BEN.key), [ANA])
    assert caught.value.next_step


def test_a_text_without_a_last_line_end_is_extended():
    text = '[target]\nsource = ["s"]\ntests = ["t"]'
    assert parse_config(set_reviewers(text, [ANA])).reviewers == (ANA,)
