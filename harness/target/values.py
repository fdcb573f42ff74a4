"""The values of holdpoint.toml: durations, sizes, paths, branch names, public keys; pure, reads no file."""

import base64
import binascii
import re
import struct
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, StrictStr, ValidationInfo
from pydantic_core import PydanticCustomError

FROM_TOML = {"toml": True}
"""Validation context of text from a file: there, durations and sizes must carry their unit."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_QUANTITY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s?([A-Za-z]{1,3})", re.ASCII)
_REVIEWER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_RUNTIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")
KEY_TYPES = {
    "ssh-ed25519": 2,
    "sk-ssh-ed25519@openssh.com": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
    "ssh-rsa": 3,
}
_RSA_BITS = 2048


def refusal(why: str) -> PydanticCustomError:
    """A validation error whose words are ours (the caller adds file, key, found and allowed)."""
    return PydanticCustomError("holdpoint", "{why}", {"why": why})


def _quantity(value: object, units: dict[str, float] | dict[str, int], context: object, unit: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if context == FROM_TOML:
            raise refusal(f"it has no unit (meant {value}{unit}?)")
        return value
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        raise refusal(f"the units are {', '.join(units)}")
    return float(found[1]) * units[found[2]]


def duration(value: object, info: ValidationInfo) -> float:
    """Seconds of "120s", "2m", "1.5h" or "250ms"."""
    return float(_quantity(value, _SECONDS, info.context, "s"))


def size(value: object, info: ValidationInfo) -> int:
    """Bytes of "512MiB", "1GiB" or "2MB"."""
    return int(_quantity(value, _BYTES, info.context, "B"))


def _clean(value: str) -> str:
    if not value or len(value) > 400:
        raise refusal("it is empty or longer than 400 characters")
    if "\\" in value or not value.isprintable():
        raise refusal("it holds a backslash or an unprintable character")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value.startswith(("-", "~")):
        raise refusal("it is absolute, climbs with '..', or starts with '-' or '~'")
    if any(part.casefold() == ".git" for part in path.parts) or not path.parts:
        raise refusal("it names the whole repository or git's own folder")
    return path.as_posix()


def clean_path(value: str) -> str:
    """The normalised relative path of one file or folder; patterns are refused."""
    if "*" in value or "?" in value:
        raise refusal("it is a pattern, and one file or folder is wanted")
    return _clean(value)


def clean_pattern(value: str) -> str:
    """A normalised relative path that may hold `*`, `**` and `?`."""
    return _clean(value)


def inside(path: str, folder: str) -> bool:
    """Whether the two are the same or `path` lies within `folder`, compared by parts, never by prefix."""
    parts = PurePosixPath(folder).parts
    return PurePosixPath(path).parts[: len(parts)] == parts


def branch_name(value: str) -> str:
    """A short branch name that git accepts and that is not one of ours."""
    if _REF_FORBIDDEN.search(value) or value.startswith(("-", "/", ".", "refs/")) or value.endswith(("/", ".")):
        raise refusal("git would not take it as a short branch name")
    if value in ("HEAD", "@") or not value or len(value) > 200 or value.split("/")[0] == "holdpoint":
        raise refusal("it is empty, too long, HEAD, or one of Holdpoint's own branches")
    return value


def reviewer_name(value: str) -> str:
    """A name that fits an allowed-signers line: letters, digits, `.`, `_`, `@`, `-`."""
    if not _REVIEWER_NAME.fullmatch(value):
        raise refusal("it has other characters, or more than 64")
    return value


def runtime_name(value: str) -> str:
    """A name as engines give their runtimes; whether the engine has it is the engine's to say."""
    if not _RUNTIME.fullmatch(value):
        raise refusal("it has other characters than letters, digits and . _ -, or more than 64")
    return value


def _wire_fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of an SSH key blob (RFC 4251, section 5); or ValueError."""
    fields = []
    while blob:
        if len(blob) < 4:
            raise ValueError
        (length,) = struct.unpack(">I", blob[:4])
        if len(blob) < 4 + length:
            raise ValueError
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def public_key(value: str) -> str:
    """`TYPE BASE64` of an OpenSSH public key line, its comment dropped; its inside must be of that type."""
    if "PRIVATE KEY" in value:
        raise refusal("it is a private key; never show that to anyone, and use its .pub file")
    words = value.split()
    if len(words) < 2 or "\n" in value.strip():
        raise refusal("it is not one line of a type and base64")
    kind, text = words[0], words[1]
    if kind not in KEY_TYPES:
        raise refusal(f"the type {kind!r} is not taken")
    try:
        fields = _wire_fields(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise refusal("its base64 is damaged or cut short") from None
    if len(fields) != KEY_TYPES[kind] or fields[0] != kind.encode() or not all(fields):
        raise refusal(f"its base64 does not hold a key of type {kind}")
    _check_numbers(kind, fields)
    return f"{kind} {text}"


def _check_numbers(kind: str, fields: list[bytes]) -> None:
    if "ed25519" in kind and len(fields[1]) != 32:
        raise refusal("an ed25519 key has 32 bytes")
    if "ecdsa" in kind and not kind.startswith(f"ecdsa-sha2-{fields[1].decode('latin-1')}", kind.find("ecdsa")):
        raise refusal(f"its curve is not that of {kind}")
    if kind == "ssh-rsa" and int.from_bytes(fields[2]).bit_length() < _RSA_BITS:
        raise refusal(f"an rsa key needs {_RSA_BITS} bits")


Duration = Annotated[StrictFloat, BeforeValidator(duration), Field(gt=0, le=86400, allow_inf_nan=False)]
Size = Annotated[StrictInt, BeforeValidator(size), Field(gt=0, le=1 << 40)]
RelativePath = Annotated[StrictStr, AfterValidator(clean_path)]
Pattern = Annotated[StrictStr, AfterValidator(clean_pattern)]
Branch = Annotated[StrictStr, AfterValidator(branch_name)]
ReviewerName = Annotated[StrictStr, AfterValidator(reviewer_name)]
Runtime = Annotated[StrictStr, AfterValidator(runtime_name)]
PublicKey = Annotated[StrictStr, AfterValidator(public_key)]
