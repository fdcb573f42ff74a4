"""A stricter policy never admits more."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.limited import Limited
from harness.policy import blocked, check, load_policy, open_inspector
from harness.policy.load import KNOWN, Limits, Policy, RuleSetting
from harness.records import FileEdit, Patch
from harness.target import parse_config

DEFAULT = load_policy("default", lambda _: None)[0]
CONFIG = parse_config('[target]\nsource = ["src"]\ntests = ["tests"]\n')
LINES = ["x = 1", "import os", "import socket", "import scipy", "os.abort()", "open('a', 'w')", "eval('1')", "# \u200b",
         "import time", "y = (", "import zlib", "raise SystemExit"]  # fmt: skip
TEXT = st.lists(st.sampled_from(LINES), max_size=5).map(lambda found: "\n".join(found) + "\n")
PATHS = st.sampled_from(
    ["src/a.py", "src/b.py", "src/c.md", "src/conftest.py", "tests/t.py", "setup.py", "src/json.py"]
)
EDITS = st.builds(lambda p, b, a: FileEdit(path=p, before=b, after=a), PATHS, st.none() | TEXT, TEXT)
PATCHES = st.lists(EDITS, min_size=1, max_size=3, unique_by=lambda edit: edit.path).map(
    lambda edits: Patch(edits=tuple(edits))
)
FEW = st.sets(st.sampled_from(sorted(KNOWN)), max_size=2)
RULES = FEW.map(lambda blocking: {name: RuleSetting(severity="high", blocks=name in blocking) for name in KNOWN})
POLICIES = st.builds(
    lambda rules, limits, protect, kinds, imports: DEFAULT.model_copy(
        update={
            "rules": rules,
            "limits": limits,
            "protect": tuple(protect),
            "non_python": tuple(kinds),
            "imports": tuple(imports),
        }
    ),
    RULES,
    st.builds(
        Limits, max_files=st.integers(0, 3), max_changed_lines=st.integers(0, 9), max_file_bytes=st.integers(0, 60)
    ),
    st.sets(st.sampled_from(["conftest.py", "setup.py", "src/b.py"])),
    st.sets(st.sampled_from(["**/*.md"])),
    st.sets(st.sampled_from(["os", "time", "scipy", "zlib"])),
)


@pytest.fixture(scope="module")
def inspector() -> Iterator[Limited]:
    with open_inspector() as child:
        yield child


def stricter(policy: Policy, data: st.DataObject) -> Policy:
    """The policy with one thing taken away; strictness in several things is a chain of such steps."""
    match data.draw(st.sampled_from(["limits", "rules", "unnamed", "protect", "kinds", "imports"])):
        case "limits":
            return policy.model_copy(
                update={"limits": Limits(**{key: data.draw(st.integers(0, value)) for key, value in policy.limits})}
            )
        case "rules":
            hard = data.draw(FEW)
            rules = {
                name: rule.model_copy(update={"blocks": rule.blocks or name in hard})
                for name, rule in policy.rules.items()
            }
            return policy.model_copy(update={"rules": rules})
        case "unnamed":
            gone = data.draw(FEW)
            return policy.model_copy(
                update={"rules": {name: rule for name, rule in policy.rules.items() if name not in gone}}
            )
        case "protect":
            more = data.draw(st.sets(st.sampled_from(["src/a.py", "*.md", "src/**"])))
            return policy.model_copy(update={"protect": (*policy.protect, *more)})
        case "kinds":
            return policy.model_copy(update={"non_python": ()})
        case _:
            kept = tuple(name for name in policy.imports if data.draw(st.booleans()))
            return policy.model_copy(update={"imports": kept})


@given(PATCHES, POLICIES, st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stricter_policy_never_admits_more(
    inspector: Limited, patch: Patch, policy: Policy, data: st.DataObject
) -> None:
    if blocked(check(patch, policy, CONFIG, "agent", inspector)):
        assert blocked(check(patch, stricter(policy, data), CONFIG, "agent", inspector))


@given(PATCHES, POLICIES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_agent_is_never_admitted_where_a_person_is_not(inspector: Limited, patch: Patch, policy: Policy) -> None:
    if blocked(check(patch, policy, CONFIG, "person", inspector)):
        assert blocked(check(patch, policy, CONFIG, "agent", inspector))
