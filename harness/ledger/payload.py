"""The canonical JSON of an event, by pydantic's own serialiser where that writes the same bytes; three times as fast.

A durable append has little to spare beside the disk: dumping to a dict, then encoding it, took a tenth of one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from harness.ledger.events import DecisionMade, Event, RunFinished
from harness.records import canonical_json

FLOATS: Mapping[type, Callable[[Any], object]] = MappingProxyType(
    {RunFinished: lambda event: event.effects, DecisionMade: lambda event: event.decision.reviewed}
)
"""Where an event may hold floats; nothing there, and it holds none. Python writes some of them otherwise than pydantic,
and refuses what JSON has not."""


def payload(event: Event) -> bytes:
    """`canonical_json` of an event. ValueError for a number that JSON does not have."""
    floats = FLOATS.get(type(event))
    if floats is not None and floats(event):
        return canonical_json(event)
    return type(event).__pydantic_serializer__.to_json(event)
