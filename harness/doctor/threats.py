"""The threat model as data: each threat, what protects from it, which probes prove it, what remains; proves nothing.

SECURITY.md holds the table that `security_table` makes of it, and a test that the two are in step.
"""

from collections.abc import Sequence
from typing import Final

from harness.doctor.probe import Probe
from harness.errors import UsageError
from harness.records import Record

BEGIN: Final = "<!-- threats: made by `make security` from harness/doctor/threats.py and the probes; do not edit -->"
END: Final = "<!-- end of threats -->"


class Threat(Record):
    """One row; `key` is what probes name as their `threat`."""

    key: str
    threat: str
    protection: str
    residual: str


THREATS: Final[tuple[Threat, ...]] = (
    Threat(
        key="judge",
        threat="a patch edits tests, configuration, CI, the policy or the judge",
        protection="the editable scope is an allow-list; protected paths are refused; the tested tree is the base plus "
        "the candidate's files in scope; tests are root-owned on a read-only file system",
        residual="",
    ),
    Threat(
        key="parser",
        threat="a patch crashes or stalls the parser",
        protection="libcst runs in a forked child with CPU, memory and time limits; a crash is a refused proposal",
        residual="",
    ),
    Threat(
        key="exhaustion",
        threat="a candidate uses up the machine: processes, memory, disk, files, CPU, output",
        protection="limits of pids, memory without swap, CPU, time and output; size- and inode-capped tmpfs on a "
        "read-only root; ulimits; a private, small /dev/shm; no engine log",
        residual="up to its limits a candidate uses what it was given; many at once need as many times the memory",
    ),
    Threat(
        key="egress",
        threat="a candidate talks to the network, the host's services or its neighbours",
        protection="no network at all but its own loopback; our seccomp list refuses the families that leave a "
        "network namespace (vsock, netlink, packet, AF_ALG); no engine socket, no bind mount. Stdin and stdout are all "
        "that reaches the host: bounded, checked line by line, by the engine or by two pipes that the guest's entry "
        "made before a file of the candidate was there",
        residual="timing of CPU and caches can be seen by neighbours on the same machine",
    ),
    Threat(
        key="kernel",
        threat="a candidate attacks the kernel or breaks out of its container",
        protection="our own seccomp allow-list, no capabilities, no new privileges, an unprivileged user id of its "
        "own, masked and read-only kernel files, no devices but the harmless ones",
        residual="a container shares the host's kernel. For code that you expect to be actively malicious use "
        '`runtime = "runsc"` (gVisor) on a machine that holds nothing else. Machines other than x86-64 have the '
        "engine's default seccomp list",
    ),
    Threat(
        key="lingering",
        threat="a candidate outlives its trial, or leaves something behind",
        protection="containers are killed and removed on every way out and carry the id of their owner; a watcher "
        "removes a killed owner's containers, and a reaper those of dead owners at the next start",
        residual="when harness and watcher die together (a CI machine's container killed whole), an honest guest ends "
        "with its input; a hostile one runs on, within its limits, until a harness of the same namespace starts, "
        "or for seven days. Engines over TCP have no watcher",
    ),
    Threat(
        key="tampering",
        threat="a candidate changes the image, the judge or what another trial sees",
        protection="images by id, a read-only root, fresh tmpfs in a fresh container for each trial, private IPC",
        residual="who may talk to the engine may change its images",
    ),
    Threat(
        key="artifacts",
        threat="what comes out of a container harms the host, or forges a result",
        protection="files leave only as a stream that a strict parser checks entry by entry: plain files on an "
        "allow-list, small, few, of plain names; the host judges test ids, outcomes and the end of the run, and what "
        "is written past the supervisor shows itself; a missing, skipped, crashed or timed-out test is no pass",
        residual="an accepted file's content is hostile: open it as such",
    ),
    Threat(
        key="oracle",
        threat="a candidate forges its verdict from within the test process",
        protection="where the oracle runs, the candidate is in another container than the tests; the static rules "
        "point at the known ways into the reporter, or block them (`block_from`)",
        residual="tests that cannot be run by the oracle share the candidate's process: a pass there means that no "
        "known trick was seen, and the difference must be read",
    ),
    Threat(
        key="callbacks",
        threat="a candidate uses a function of the tests (a callback, or a stand-in that goes on to the real function) "
        "to act beside them",
        protection="while such a function runs for the worker, an audit hook refuses processes, native code, "
        "unpickling, /proc, the tests' code and writes but temporary ones; once refused, the test fails whatever the "
        "candidate catches; functions on descriptors and on code are never handed out as stand-ins",
        residual="what such a function does in plain Python, and other files that it reads",
    ),
    Threat(
        key="bench",
        threat="a candidate forges a benchmark",
        protection="a `[[bench]]` judge runs in a container that never sees the candidate; it counts and compares by "
        "itself, and what the candidate made runs in a third container that sees inputs and no expected values. A win "
        "is measured twice; time, cpu and memory of a bench are the host's clock and the kernel's account. Inputs come "
        "from a fresh seed for each pair; where only costs are measured, answers are compared with the base's",
        residual="a plain `run = …` metric of kind time, cpu or memory still runs in the candidate's process: a claim, "
        "with the alarm *read inside*; work between a bench's questions shows in cpu only",
    ),
    Threat(
        key="terminal",
        threat="hostile text steers the reviewer's terminal or eye",
        protection="findings at ingest; every steering or invisible character is shown as a mark, and so is a letter "
        "that poses as a Latin one; long lines wrap; the screen shows untrusted text as plain content through a filter "
        "(of these three layers a test takes each away and fails); `--json` escapes what steers too",
        residual="a word wholly of look-alike letters is not marked, nor are look-alikes within one script (`l`, `1`)",
    ),
    Threat(
        key="haste",
        threat="a hurried or biased reviewer approves",
        protection="a fixed order of steps: every hunk seen, each severe finding acknowledged, a first verdict before "
        "the measurements open, the most suspicious hunk named; the digest of what was shown is signed, and whatever "
        "changed since is refused",
        residual="steps done without care cannot be told from steps done with it",
    ),
    Threat(
        key="git",
        threat="the repository's configuration, attributes or objects run code or hide a change",
        protection="every git call has hooks, filters, drivers, fsmonitor, replace refs, grafts and global "
        "configuration out of play; differences ignore attributes; merges are made in a repository of our own",
        residual="checking out a branch in your own work tree with your own git is outside Holdpoint",
    ),
    Threat(
        key="leak",
        threat="secrets of the host reach the candidate or the agent",
        protection="no key, token, environment, bind mount, host name or network in any container",
        residual="the code under test is itself readable by what tests it",
    ),
    Threat(
        key="approval",
        threat="an agent approves its own change",
        protection="approval needs a terminal, the typed tree hash, a reason and an OpenSSH signature by a reviewer "
        "named in the base's `holdpoint.toml`; agents and authors never count; policy, signers, tests and CI need two "
        "persons whatever the policy says; a revocation is signed and travels",
        residual="whoever holds the reviewer's private key can sign: use a hardware key (`sk-ssh-ed25519`), and never "
        "keep the key where an agent runs. In the demo the key has no passphrase and launcher and reviewer are one "
        "person; the screen says so",
    ),
    Threat(
        key="landing",
        threat="something else lands than what was tested",
        protection="the merge commit is made before the test, tested, and bound by the signature with base, tree, "
        "SHA-256 manifest, evidence and policy; the ref moves by compare-and-swap",
        residual="",
    ),
    Threat(
        key="history",
        threat="history is edited later",
        protection="a hash-chained ledger; checkpoints of its head travel with each approval on `holdpoint/approvals`; "
        "`holdpoint verify` checks a bare clone with git and public keys alone; `verify --since` demands that branches "
        "and ledger go on from what was seen; snapshots are compared with the chain, and no merge asks them",
        residual="whoever controls the repository *and* every clone can rewrite both; keep an earlier head elsewhere "
        "and compare",
    ),
)


def security_table(probes: Sequence[Probe]) -> str:
    """The rows in Markdown, each with the ids of its probes; UsageError for a probe of a threat that is no row."""
    unknown = [probe.id for probe in probes if probe.threat not in {threat.key for threat in THREATS}]
    if unknown:
        raise UsageError(
            f"These probes name a threat that SECURITY.md does not have: {', '.join(unknown)}.", "add it to THREATS"
        )
    lines = ["| threat | protection | probes | what remains |", "|---|---|---|---|"]
    for threat in THREATS:
        ids = "<br>".join(f"`{probe.id}`" for probe in probes if probe.threat == threat.key)
        lines.append(f"| {threat.threat} | {threat.protection} | {ids} | {threat.residual} |")
    return "\n".join(lines)


def with_table(document: str, probes: Sequence[Probe]) -> str:
    """The document with the table between its two markers renewed; UsageError when they are not there once each."""
    if document.count(BEGIN) != 1 or document.count(END) != 1 or document.index(BEGIN) > document.index(END):
        raise UsageError("SECURITY.md lacks the markers of its table.", "put them back from an earlier commit")
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{security_table(probes)}\n\n{END}{after}"
