"""What every record is: frozen, strict about its keys, with bytes and digests that do not depend on layout."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class Record(BaseModel):
    """A frozen value; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(Record):
    """A record that the ledger holds: its fields come in the order of their names, as canonical JSON has them."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        found: Any = schema
        while found["type"] != "model-fields":
            found = found["schema"]
        found["fields"] = dict(sorted(found["fields"].items()))
        return schema


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> bytes:
    """Bytes of a JSON value that do not depend on key order or layout (UTF-8, sorted keys, no spaces, no NaN)."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _CANONICAL.encode(value).encode()


def sha256(data: bytes) -> str:
    """`sha256:` and the 64 hex digits of the data's SHA-256."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
