"""The canonical JSON of an event, by pydantic's own serialiser where that writes the same bytes; three times as fast.

A durable append has little to spare beside the disk: dumping to a dict, then encoding it, took a tenth of one.
"""

from harness.ledger.events import DecisionMade, Event, RunFinished
from harness.records import canonical_json

WITH_FLOATS = (RunFinished, DecisionMade)  # Python writes some floats otherwise, and refuses what JSON has not


def payload(event: Event) -> bytes:
    """`canonical_json` of an event. ValueError for a number that JSON does not have."""
    if isinstance(event, WITH_FLOATS):
        return canonical_json(event)
    return event.model_dump_json().encode()
