"""Says in words which limit of its container a trial hit; judges nothing."""

from collections.abc import Mapping

from harness.container import Limits
from harness.container.profile import MIB, Profile
from harness.records import ContainerState


def limits_hit(state: ContainerState, limits: Limits) -> tuple[str, ...]:
    """What the engine and our own clock say, gravest first; a child that was killed under a living parent counts."""
    found = (
        (state.oom_killed, out_of_memory(limits)),
        (state.timed_out, out_of_time(limits)),
        (state.output_capped, f"too much output ({output(limits)})"),
    )
    return tuple(sentence for is_so, sentence in found if is_so)


def hits_of(profile: Profile) -> Mapping[str, str]:
    """What the guest's supervisor may say it saw, and the sentence for it: only a word, never a judgement."""
    found = {"memory": out_of_memory(profile.limits), "processes": f"no more processes (limit {profile.limits.pids})"}
    for mount in profile.mounts:
        found[f"files {mount.path}"] = f"{mount.path} is full (limit of {mount.inodes} files)"
        found[f"space {mount.path}"] = f"{mount.path} is full (size limit {size(mount.size)})"
    return found


def stops_of(limits: Limits) -> Mapping[str, str]:
    """Why the guest's supervisor may have ended a session, and the sentence for it."""
    return {
        "timeout": f"the session ran out of time ({time(limits)})",
        "output": f"the session printed more than allowed ({output(limits)})",
        "events": "the session reported more than allowed",
        "lingered": "the session closed its streams and did not end",
        "abandoned": "the host's end of the session's input was closed",
    }


def out_of_memory(limits: Limits) -> str:
    """The sentence for a process that the kernel ended."""
    return f"out of memory (memory limit {size(limits.memory)})"


def out_of_time(limits: Limits) -> str:
    """The sentence for what did not end."""
    return f"out of time ({time(limits)})"


def time(limits: Limits) -> str:
    """The limit, named."""
    return f"time limit {limits.timeout:g} s"


def output(limits: Limits) -> str:
    """The limit, named."""
    return f"output limit {size(limits.output)}"


def size(count: int) -> str:
    """Bytes as people write them: whole MiB or KiB where it is one."""
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"
