"""How a probe of git is made: a trick on our reading of a real repository, and the same on plain git's."""

from typing import Final

from harness.doctor.bench import Bench
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe
from harness.doctor.stage import Stage, Trick, staged

EVIL: Final = b"import os\nos.system('x')\n"


def probe(name: str, tries: str, control_is: str, attack: Trick, control: Trick, otherwise: str) -> Probe:
    """A trick on our reading and, as its control, the same trick on plain git."""
    return Probe(
        id=f"git.{name}",
        group="git",
        threat="git",
        tries=tries,
        control_is=control_is,
        attack=_act(attack, otherwise),
        control=_act(control, "plain git was not fooled"),
    )


def hidden(diff: bytes | str, why: str) -> str:
    """The words when a difference lacks the line of `EVIL`."""
    text = diff if isinstance(diff, str) else diff.decode("utf-8", "replace")
    return "" if "+os.system" in text else why


def armed(*configured: tuple[str, str], attributes: str = "", hooks: tuple[str, ...] = ()) -> Trick:
    """Arms the target: settings (`%` is the program), attributes for all work trees, hooks."""

    def arm(stage: Stage) -> str:
        for key, value in configured:
            stage.git("config", key, value.replace("%", str(stage.program)))
        if attributes:
            (stage.root / ".git" / "info").mkdir(exist_ok=True)
            (stage.root / ".git" / "info" / "attributes").write_text(attributes)
        for hook in hooks:
            (stage.root / ".git" / "hooks").mkdir(exist_ok=True)
            (stage.root / ".git" / "hooks" / hook).symlink_to(stage.program)
        stage.ran()
        return ""

    return arm


def _act(trick: Trick, otherwise: str) -> Act:
    def act(_: Bench) -> Outcome:
        with staged() as stage:
            said = trick(stage)
        return Fired(detail=said) if said else Blocked(detail=otherwise)

    return act
