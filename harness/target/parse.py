"""Reads holdpoint.toml: text in, TargetConfig out, or an error with file, key, found and allowed; pure."""

import difflib
import tomllib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import UsageError
from harness.target.config import CONFIG_NAME, TOML_NAMES, TargetConfig
from harness.target.values import FROM_TOML
from harness.text import visible_line

_FIELD_NAMES = {field: key for key, field in TOML_NAMES.items()}


def parse_config(text: str, where: str = CONFIG_NAME) -> TargetConfig:
    """The configuration in `text`; UsageError names the file, the key, what was found and what is allowed."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}.", f"correct {where}") from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deeply to be a configuration.", f"correct {where}") from None
    _only_known_keys(raw, TargetConfig, "", where)
    data = {TOML_NAMES.get(key, key): value for key, value in raw.items()}
    try:
        return TargetConfig.model_validate(data, context=FROM_TOML)
    except ValidationError as error:
        raise _usage_error(error, data, where) from None


def _only_known_keys(found: dict[str, Any], model: type[BaseModel], prefix: str, where: str) -> None:
    """Unknown keys come first and at every level: a misspelt key otherwise shows up as a missing one."""
    fields = {_FIELD_NAMES.get(name, name): field for name, field in model.model_fields.items()}
    for key, value in found.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            hint = f" (nearest: {near[0]})" if near else ""
            place = f"in {prefix[:-1]}" if prefix else "here"
            raise UsageError(
                f"{where}: unknown key {prefix}{visible_line(key, 60)}{hint}; allowed {place}: {', '.join(fields)}.",
                f"correct {where}",
            )
        section = _section_of(fields[key].annotation)
        tables = value if isinstance(value, list) else [value]
        for number, table in enumerate(tables, 1):
            if section is not None and isinstance(table, dict):
                place = f"{key}[{number}]." if isinstance(value, list) else f"{key}."
                _only_known_keys(table, section, prefix + place, where)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The record type inside `X`, `X | None` or `tuple[X, ...]`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_of(part)
        if found is not None:
            return found
    return None


def _usage_error(error: ValidationError, data: dict[str, Any], where: str) -> UsageError:
    problems = error.errors(include_url=False)
    more = f" ({len(problems) - 1} more after it.)" if len(problems) > 1 else ""
    return UsageError(f"{where}: {_sentence(problems[0], data)}.{more}", f"correct {where}")


def _sentence(problem: ErrorDetails, data: dict[str, Any]) -> str:
    """`KEY: found VALUE (why); allowed: …` of one problem; a check across keys brings its own words."""
    why = str(problem["ctx"]["why"]) if problem["type"] == "holdpoint" else ""
    if "allowed: " in why:
        return why
    key, allowed = _key_and_allowed(problem["loc"])
    if problem["type"] == "missing":
        return f"{key}: missing; allowed: {allowed}"
    because = f" ({why})" if why else ""
    return f"{key}: found {_shown(_written(data, problem))}{because}; allowed: {allowed}"


def _key_and_allowed(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """The key as the file spells it, lists counted from 1, and the description of its innermost field."""
    key, allowed = "", ""
    fields = dict(TargetConfig.model_fields)
    for part in loc:
        if isinstance(part, int):
            key += f"[{part + 1}]"
        elif part in fields:
            key += ("." if key else "") + _FIELD_NAMES.get(part, part)
            allowed = fields[part].description or ""
            section = _section_of(fields[part].annotation)
            fields = dict(section.model_fields) if section else {}
    return key, allowed


def _written(data: Any, problem: ErrorDetails) -> object:
    """What the file says at the problem's place; the problem may hold a value already converted."""
    for part in problem["loc"]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return problem["input"]
    return data


def _shown(value: object) -> str:
    """The found value as a person wrote it, short, with nothing in it that could steer a terminal."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "…"
