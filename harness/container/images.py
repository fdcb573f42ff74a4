"""Which of our images are still used, and the removal of those that are not; makes none.

The engine itself keeps the time of an image's last use for all harnesses on it: whoever uses one tags it again. What
was removed too early is simply built again.
"""

import datetime as dt
from collections.abc import Collection

from harness.container.base import base_tag
from harness.container.engine import Engine
from harness.container.sandbox import sandbox_tag
from harness.records import Record

REPOSITORY = "holdpoint"
_KEPT_JUDGES = 24  # one for each base commit: their number is bounded, all others make room by age
_HANDS_OFF = 2 * 3600.0  # seconds after a use in which a live neighbour may be about to use it again
_BUILDING = 900.0  # seconds that a build may take


class OwnImage(Record):
    """One of our tags; `used` in seconds since the epoch, `size` in bytes with the layers below."""

    tag: str
    id: str
    used: float
    size: int


def own_images(engine: Engine) -> tuple[OwnImage, ...]:
    """All images with a tag of ours, the one used last first."""
    found = []
    for tag in engine.images.tags(REPOSITORY):
        told = engine.images.told(tag)
        if told is not None:
            last = (told.get("Metadata") or {}).get("LastTagTime") or told["Created"]
            found.append(OwnImage(tag=tag, id=told["Id"], used=_seconds(last), size=told["Size"]))
    return tuple(sorted(found, key=lambda image: image.used, reverse=True))


def unused_images(engine: Engine, needed: Collection[str], now: float, age: float) -> tuple[OwnImage, ...]:
    """What nobody used for `age` seconds, except the current base and sandbox and those whose id is in `needed`."""
    base = base_tag()
    known = engine.images.told(base)
    current = {base} | ({sandbox_tag(engine, str(known["Id"]))} if known else set())
    return tuple(
        image
        for image in own_images(engine)
        if now - image.used > age and image.tag not in current and image.id not in needed
    )


def too_many_judges(engine: Engine, now: float) -> tuple[OwnImage, ...]:
    """The judge images beyond the bound, except those used in the last hours."""
    judges = [tag for tag in engine.images.tags(REPOSITORY) if tag.startswith(f"{REPOSITORY}/judge:")]
    if len(judges) <= _KEPT_JUDGES:
        return ()
    found = [image for image in own_images(engine) if image.tag in judges]
    return tuple(image for image in found[_KEPT_JUDGES:] if now - image.used > _HANDS_OFF)


def left_layers(engine: Engine, now: float) -> tuple[str, ...]:
    """Ids of untagged images on ours that no build is working on: a broken-off build's, until the next adopts them."""
    ours = {image.id for image in own_images(engine)}
    return tuple(
        str(image["Id"])
        for image in engine.images.untagged()
        if now - float(image["Created"]) > _BUILDING and ours & set(engine.images.ancestors(str(image["Id"])))
    )


def remove_images(engine: Engine, images: Collection[str]) -> tuple[str, ...]:
    """Removes them by tag or id, and answers those that are gone; one that a container uses stays."""
    return tuple(image for image in images if engine.images.discard(image))


def _seconds(text: str) -> float:
    """The engine's time; it writes nanoseconds, and `0001-01-01` for never."""
    moment = dt.datetime.fromisoformat(text[:19]).replace(tzinfo=dt.UTC)
    return max(0.0, moment.timestamp())
