"""What differential replay showed, as lines for people; the same on the screen and on the command line. Pure."""

from collections.abc import Iterator

from harness.records import BehaviourDifference, Replayed


def replay_words(replayed: Replayed | None) -> tuple[str, ...]:
    """First the counts, then each difference with its input and both outputs; nothing where nothing was asked."""
    if replayed is None:
        return ()
    if replayed.why:
        return (f"not run: {replayed.why}",)
    found = (
        f"behaviour differences: {len(replayed.differing)} functions"
        if replayed.differing
        else "no difference that always shows"
    )
    ran = ", ".join(replayed.ran) or "none"
    head = (
        f"{found} ({replayed.scripts} scripts about {replayed.functions} functions, {replayed.calls} answers, seed "
        f"{replayed.seed}; surroundings: {ran}; not run: {', '.join(replayed.not_ran)})"
    )
    return (head, *(line for each in replayed.differences for line in _lines(each)))


def _lines(each: BehaviourDifference) -> Iterator[str]:
    where = f", only with {each.where}" if each.where else ""
    declared = ", declared" if each.declared else ""
    yield f"{each.function}: {each.kind} differs on {each.inputs} inputs{where}{declared} ({each.count} seen)"
    yield from (f"    {line}" for line in each.script.splitlines())
    yield f"    base: {each.base}"
    yield f"    candidate: {each.candidate}"
