"""Scripts and answers as short text that reads like Python and can be shown safely; reads nothing back."""

from typing import Any, Final

from harness.text import visible_line
from harness.trial.replay.answers import Answer, Seen
from harness.trial.replay.scripts import CONTAINERS, Script, Step, once

_LONGEST: Final = 600  # characters of a script's or an answer's text
_PART: Final = 80
_BRACKETS: Final = {"t": "()", "l": "[]", "q": "[]", "S": "{}", "F": "{}"}


def rendered(script: Script) -> str:
    """The steps, one a line; objects are called x0, x1, … by the step that made them."""
    used = {int(mark[1]) for step in script.steps for value in step.args for mark in [value] if _is_object(mark)}
    lines = []
    for at, step in enumerate(script.steps):
        text = _step(step)
        lines.append(f"x{at} = {text}" if at in used else text)
    return "\n".join(visible_line(line, _LONGEST) for line in lines)[: 3 * _LONGEST]


def outcome(answer: Answer, at: int) -> str:
    """What one step came to."""
    if at >= len(answer.seen):
        return visible_line({"time": "no answer in time", "ended": "the process ended"}.get(answer.lost, answer.lost))
    return visible_line(_seen(answer.seen[at]), _LONGEST)


def _seen(seen: Seen) -> str:
    head = {"v": "", "x": "raises ", "f": "cannot be told", "-": "not possible: "}[seen.ending]
    text = head + ("" if seen.ending == "f" else shown(seen.value))
    if seen.ending == "x" and len(seen.words) > 3:
        text += f" {shown(['t', *seen.words[3]])}"
    if seen.changed:
        text += "; arguments then " + ", ".join(shown(value) for _, value in seen.changed)
    if seen.calls:
        text += f"; {len(seen.calls)} callbacks"
    if seen.words:
        printed, warned, logged, *_ = seen.words
        told = {"prints": [row[1] for row in printed], "warns": warned, "logs": [row[2] for row in logged]}
        text += "".join(f"; {word} {_short(repr(' '.join(texts)))}" for word, texts in told.items() if texts)
    return text


def shown(value: Any) -> str:
    """One value of the pipe's form, with its marks."""
    match value:
        case None | bool() | int() | float():
            return repr(value)
        case str():
            return _short(repr(value))
        case ["i", str(digits)]:
            return f"{'-' if digits[0] == '-' else ''}0x{_short(digits.lstrip('-'))}"
        case [("#" | "$" | "&" | "m" | "g" | "o" | "E" | "x") as tag, *parts]:
            return _object(tag, parts)
        case ["d" | "O" | "N" | "P" as tag, *parts]:
            items = parts[len(parts) % 2 :]
            pairs = zip(items[::2], items[1::2], strict=True)
            return _short(f"{'' if tag == 'd' else tag}{{{', '.join(f'{shown(k)}: {shown(v)}' for k, v in pairs)}}}", 4)
        case ["v", name, *parts]:
            return _short(f"{name}({', '.join(map(shown, parts))})")
        case [str(tag), *parts] if tag in _BRACKETS:
            return _short(_BRACKETS[tag][0] + ", ".join(map(shown, _contents(tag, parts))) + _BRACKETS[tag][1], 4)
        case [str(tag), *parts]:
            return _short(f"{tag}({', '.join(map(shown, parts))})")
    return _short(repr(value))


def _object(tag: str, parts: list[Any]) -> str:
    match tag, parts:
        case "#", [module, name]:
            return f"{module}.{name}"
        case "$", [step, *way]:
            return f"x{step}" + "".join(f"[{at - 1}]" for at in way)
        case "g", [_, name]:
            return str(name)
        case "o", [_, kind, *inside]:
            return f"<{kind}>{''.join(shown(part) for part in inside)}"
        case "E", [kind, *_]:
            return str(kind).removeprefix("builtins.")
        case _, [str(name), *_]:
            return name
    return "callback"


def _contents(tag: str, parts: list[Any]) -> list[Any]:
    """Without the 0 that stands for a number in scripts; answers have none."""
    return parts[1:] if tag in CONTAINERS and parts[:1] == [0] else parts


def _step(step: Step) -> str:
    if step.op in ("again", "acts"):
        return f"{step.args[0]} times {_step(once(step))}"
    first, *rest = step.args
    named = [f"{name}={shown(value)}" for name, value in step.kwargs]
    match step.op, rest:
        case "call", _:
            return f"{shown(first)}({', '.join([*map(shown, rest), *named])})"
        case "m", [name, *more]:
            return f"{shown(first)}.{name}({', '.join([*map(shown, more), *named])})"
        case "get", [name]:
            return f"{shown(first)}.{name}"
        case "set", [name, value]:
            return f"{shown(first)}.{name} = {shown(value)}"
        case "drain", _:
            return f"list({shown(first)})"
        case "item", [key]:
            return f"{shown(first)}[{shown(key)}]"
    return f"{step.op}({', '.join([*map(shown, step.args), *named])})"


def _is_object(value: Any) -> bool:
    return type(value) is list and len(value) > 1 and value[0] == "$"


def _short(text: str, times: int = 1) -> str:
    most = _PART * times
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]} ({len(text)} characters)"
