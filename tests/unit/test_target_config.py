"""holdpoint.toml: what is read, and that every mistake is an error that names file, key, found and allowed."""

import base64
import struct

import pytest

from harness.errors import UsageError
from harness.target import MetricEntry, TargetConfig, TargetSection, parse_config

BASE = '[target]\nsource = ["src"]\ntests = ["tests"]\n'
BENCH = '[[bench]]\nname = "b"\njudge = "bench/j.py"\ncandidate = "p.w"\nships = ["src/**"]\n'
METRIC = '[[metric]]\nname = "{}"\nkind = "count"\ndirection = "lower"\n'


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(struct.pack(">I", len(field)) + field for field in fields)).decode()


SK = "sk-ecdsa-sha2-nistp256@openssh.com"
ED = "ssh-ed25519 " + blob(b"ssh-ed25519", b"k" * 32)
KEYS = [
    ED,
    "sk-ssh-ed25519@openssh.com " + blob(b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:"),
    "ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"q" * 64),
    "ecdsa-sha2-nistp384 " + blob(b"ecdsa-sha2-nistp384", b"nistp384", b"\x04" + b"q" * 96),
    "ecdsa-sha2-nistp521 " + blob(b"ecdsa-sha2-nistp521", b"nistp521", b"\x04" + b"q" * 132),
    f"{SK} " + blob(SK.encode(), b"nistp256", b"\x04" + b"q" * 64, b"ssh:"),
    "ssh-rsa " + blob(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 256),
]


def reviewer(key: str, name: str = "ana") -> str:
    return f'[[reviewer]]\nname = "{name}"\nkey = "{key}"\n'


def test_the_example_of_the_design_is_read_whole():
    config = parse_config(
        '[target]\nsource = ["./src/pkg/"]\ntests = ["tests"]\nrequirements = "requirements.lock"\nref = "main"\n'
        '[sandbox]\ntimeout = "2m"\nmemory = "512MiB"\ncpus = 2\npids = 64\noutput = "1MiB"\n'
        '[policy]\nuse = "strict"\nprotect = ["bench/**"]\nimports = ["numpy", "os.path"]\n'
        + reviewer(ED + " ana@host")
        + '[[metric]]\nname = "lookup"\nkind = "time"\ndirection = "lower"\nrun = "bench/bench.py"\n'
        "effect = 0.05\nmargin = 0.02\npairs = 30\n[self]\nallow = true\n"
    )
    assert config.target == TargetSection(source=("src/pkg",), tests=("tests",), requirements="requirements.lock")
    assert (config.sandbox.timeout, config.sandbox.memory, config.sandbox.cpus) == (120.0, 512 << 20, 2.0)
    assert (config.sandbox.pids, config.sandbox.output) == (64, 1 << 20)
    assert (config.policy.use, config.policy.protect, config.policy.imports) == (
        "strict",
        ("bench/**",),
        ("numpy", "os.path"),
    )
    assert [(entry.name, entry.key) for entry in config.reviewers] == [("ana", ED)]
    assert config.metrics[0] == MetricEntry(
        name="lookup", kind="time", direction="lower", run="bench/bench.py", effect=0.05, margin=0.02, pairs=30
    )
    assert config.self_.allow


def test_absent_sections_have_closed_defaults():
    config = parse_config(BASE)
    assert not config.self_.allow
    assert config.agent is None
    assert config.reviewers == config.metrics == config.benches == ()
    assert config.policy.use == "default"
    assert config.target.ref == "main"


def test_a_configuration_survives_json():
    config = parse_config(BASE + BENCH + METRIC.format("m") + 'bench = "b"\n' + reviewer(ED))
    assert TargetConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "seconds"), [("120s", 120), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), ("250ms", 0.25), ("24h", 86400)]
)
def test_durations(text: str, seconds: float):
    assert parse_config(BASE + f'[sandbox]\ntimeout = "{text}"\n').sandbox.timeout == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "size"), [("512MiB", 512 << 20), ("1GiB", 1 << 30), ("20MB", 20_000_000)])
def test_sizes(text: str, size: int):
    assert parse_config(BASE + f'[sandbox]\nmemory = "{text}"\n').sandbox.memory == size


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.split()[0])
def test_every_kind_of_key_is_taken_and_loses_its_comment(key: str):
    assert parse_config(BASE + reviewer(key + "   some one@host")).reviewers[0].key == key


MISTAKES = {
    # unknown keys, at every level, with the nearest known one
    "table": ("[sandbx]\n", "unknown key sandbx", "nearest: sandbox"),
    "key": ('[sandbox]\ntimeuot = "1s"\n', "unknown key sandbox.timeuot", "nearest: timeout"),
    "key in list": ('[[metric]]\nnam = "a"\n', "unknown key metric[1].nam", "nearest: name"),
    "our plural": ("metrics = []\n" + BASE, "unknown key metrics", "nearest: metric"),
    "our field name": ("[self_]\n", "unknown key self_", "nearest: self"),
    "steering key": ('"\\u001b]0;x" = 1\n' + BASE, "unknown key ␛]0;x", "allowed"),
    # wrong types
    "bare seconds": ("[sandbox]\ntimeout = 120\n", "sandbox.timeout: found 120", '"120s"'),
    "bool": ("[sandbox]\ncpus = true\n", "sandbox.cpus: found true", "number of cores"),
    "text for int": ('[sandbox]\npids = "9"\n', "sandbox.pids: found '9'", "8 to 32768"),
    "int for bool": ("[self]\nallow = 1\n", "self.allow: found 1", "true or false"),
    "text for list": ('[policy]\nprotect = "x"\n', "policy.protect: found 'x'", "a list of path patterns"),
    "int in list": ("[policy]\nprotect = [1]\n", "policy.protect[1]: found 1", "a list of path patterns"),
    "table for list": ("[metric]\n", "metric: found a table", "[[metric]] tables"),
    "number for table": ("self = 3\n" + BASE, "self: found 3", "a [self] table"),
    # wrong values
    "unit": ('[sandbox]\ntimeout = "2 weeks"\n', "sandbox.timeout: found '2 weeks'", "ms, s, m, h"),
    "zero": ('[sandbox]\ntimeout = "0s"\n', "sandbox.timeout: found '0s'", "up to 24h"),
    "huge": ('[sandbox]\ntimeout = "999999999999h"\n', "sandbox.timeout", "up to 24h"),
    "tiny memory": ('[sandbox]\nmemory = "1MiB"\n', "sandbox.memory: found '1MiB'", "16MiB"),
    "nan": ("[sandbox]\ncpus = nan\n", "sandbox.cpus: found nan", "number of cores"),
    "policy": ('[policy]\nuse = "lax"\n', "policy.use: found 'lax'", "default, strict, self"),
    "kind": (METRIC.replace("count", "tme"), "metric[1].kind: found 'tme'", "pass_fail"),
    "climb": ('[policy]\nprotect = ["a/../../x"]\n', "policy.protect[1]", "'..'"),
    "module": ('[agent]\nmodule = "os; x"\nships = ["a"]\n', "agent.module: found 'os; x'", "module name"),
    "ships nothing": ('[agent]\nmodule = "p"\nships = []\n', "agent.ships: found a list of 0", "path patterns"),
    # metrics
    "neither": (METRIC, "neither of run and bench", "exactly one"),
    "both": (BENCH + METRIC + 'run = "r.py"\nbench = "b"\n', "both of run and bench", "exactly one"),
    "no such bench": (BENCH + METRIC + 'bench = "x"\n', "bench: found 'x'", "allowed: b"),
    "then itself": (BENCH + METRIC + 'bench = "b"\nexact = true\nthen = "{}"\n', "then: found", "exact metric"),
    "same metric": (2 * (METRIC + 'run = "r.py"\n'), "[[metric]] name", "twice"),
    "same bench": (2 * BENCH, "[[bench]] name", "twice"),
    # the judge inside the editable scope
    "run in source": (METRIC + 'run = "src/bench.py"\n', "target.source and [[metric]] run", "overlap"),
    "judge in source": (BENCH.replace("bench/j.py", "src/j.py"), "[[bench]] judge", "overlap"),
    "policy in source": ('[policy]\nuse = "src/p.toml"\n', "policy.use", "overlap"),
    # reviewers
    "reviewer twice": (reviewer(ED) + reviewer(KEYS[1], "ANA"), "[[reviewer]] name", "twice"),
    "key twice": (reviewer(ED) + reviewer(ED, "ben"), "[[reviewer]] key", "twice"),
    "reviewer name": (reviewer(ED, "ana *"), "reviewer[1].name: found 'ana *'", "letters, digits"),
    "no key": ('[[reviewer]]\nname = "ana"\n', "reviewer[1].key: missing", "ssh-ed25519"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_file_key_found_and_allowed(mistake: str):
    text, says, hint = MISTAKES[mistake]
    text = text if text.endswith(BASE) else BASE + text
    with pytest.raises(UsageError) as caught:
        parse_config(text.replace("{}", "m"), where="base:holdpoint.toml")
    message = str(caught.value)
    assert message.startswith("base:holdpoint.toml: ")
    assert says.replace("{}", "m") in message
    assert hint in message
    assert caught.value.next_step
    assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "target: missing"),
        ("x", "is not valid TOML"),
        ("a = " + "[" * 5000, "holdpoint.toml"),
        ('[target]\nsource = ["src"]\n', "target.tests: missing"),
        ('[target]\nsource = []\ntests = ["t"]\n', "target.source: found a list of 0"),
        ('[target]\nsource = ["."]\ntests = ["t"]\n', "target.source[1]: found '.'"),
        ('[target]\nsource = ["/src"]\ntests = ["t"]\n', "target.source[1]: found '/src'"),
        ('[target]\nsource = ["a/../b"]\ntests = ["t"]\n', "target.source[1]: found 'a/../b'"),
        ('[target]\nsource = ["a/.GIT"]\ntests = ["t"]\n', "target.source[1]: found 'a/.GIT'"),
        ('[target]\nsource = ["src/*"]\ntests = ["t"]\n', "it is a pattern"),
        ('[target]\nsource = ["src"]\ntests = ["src/tests"]\n', "'src' and 'src/tests', which overlap"),
        ('[target]\nsource = ["t/src"]\ntests = ["t"]\n', "'t/src' and 't', which overlap"),
        ('[target]\nsource = ["src"]\ntests = ["./src"]\n', "overlap"),
        ('[target]\nsource = ["src", "src/"]\ntests = ["t"]\n', "'src' twice"),
        ('[target]\nsource = ["holdpoint.toml"]\ntests = ["t"]\n', "overlap"),
        ('[target]\nsource = ["s"]\ntests = ["t"]\nrequirements = "s/r.lock"\n', "target.requirements"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(text: str, says: str):
    with pytest.raises(UsageError) as caught:
        parse_config(text)
    assert says in str(caught.value)


def test_names_that_only_share_a_prefix_do_not_overlap():
    assert parse_config('[target]\nsource = ["src/a"]\ntests = ["src/ab"]\n').target.tests == ("src/ab",)


@pytest.mark.parametrize(
    "ref", ["a b", "-x", "refs/heads/main", "a..b", "x.lock", "HEAD", "", "holdpoint/approvals", "a@{1}", "x/", "a:b"]
)
def test_a_ref_that_is_no_branch_of_the_person_is_refused(ref: str):
    with pytest.raises(UsageError, match=r"target\.ref"):
        parse_config(BASE + f'ref = "{ref}"\n')


@pytest.mark.parametrize("ref", ["main", "release/1.x", "Fix_2"])
def test_a_branch_name_is_taken(ref: str):
    assert parse_config(BASE + f'ref = "{ref}"\n').target.ref == ref


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("ssh-dss " + blob(b"ssh-dss", b"x"), "not taken"),
        ("ssh-ed25519 AAAA", "cut short"),
        ("ssh-ed25519 !!!!", "damaged"),
        ("ssh-ed25519", "not one line"),
        ("ssh-ed25519 " + blob(b"ssh-rsa", b"k" * 32), "does not hold a key of type ssh-ed25519"),
        ("ssh-ed25519 " + blob(b"ssh-ed25519", b"k" * 31), "32 bytes"),
        ("ssh-ed25519 " + blob(b"ssh-ed25519", b"k" * 32, b"more"), "does not hold"),
        ("ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp384", b"q"), "curve"),
        (f"{SK} " + blob(SK.encode(), b"nistp521", b"q", b"s"), "curve"),
        ("ssh-rsa " + blob(b"ssh-rsa", b"\x03", b"\x7f" + b"\xff" * 127), "2048"),
        ("cert-authority " + ED, "not taken"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_what_it_says_is_refused(key: str, says: str):
    with pytest.raises(UsageError) as caught:
        parse_config(BASE + reviewer(key))
    assert says in str(caught.value)
    assert "reviewer[1].key" in str(caught.value)


def test_then_names_an_exact_metric_of_the_same_bench():
    solved = METRIC.format("solved") + 'bench = "b"\nexact = true\nthen = "evaluations"\n'
    other = METRIC.format("evaluations") + 'bench = "b"\n'
    assert parse_config(BASE + BENCH + solved + other + "exact = true\n").metrics[0].then == "evaluations"
    for wrong in (other, other.replace('bench = "b"', 'run = "r.py"') + "exact = true\n"):
        with pytest.raises(UsageError, match="then"):
            parse_config(BASE + BENCH + solved + wrong)
    with pytest.raises(UsageError, match="circle"):
        parse_config(BASE + BENCH + solved + other + 'exact = true\nthen = "solved"\n')


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"suite": "pytest-benchmark"}, True),
        ({"suite": "asv"}, True),
        ({"suite": "asv", "kind": "score"}, True),
        ({"suite": "pytest-benchmark", "kind": "score"}, False),
        ({"suite": "asv", "kind": "memory"}, False),
    ],
)
def test_a_suite_gives_only_what_it_has(changes: dict[str, str], fits: bool) -> None:
    lines = {"name": "m", "kind": "time", "direction": "lower", "run": "bench", **changes}
    text = '[target]\nsource = ["src"]\ntests = ["tests"]\n[[metric]]\n'
    text += "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    if fits:
        assert parse_config(text).metrics[0].suite == changes["suite"]
    else:
        with pytest.raises(UsageError, match=r"m\.suite: found"):
            parse_config(text)
