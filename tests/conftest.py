"""What tests of several folders need: the real engine, and the sandbox image built on it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from harness.container import Engine, ImageRef, ensure_sandbox_image

settings.register_profile("holdpoint", deadline=None)  # nothing here is judged by a clock
settings.load_profile("holdpoint")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected


@pytest.fixture(scope="module")
def image(engine: Engine) -> ImageRef:
    return ensure_sandbox_image(engine, lambda _: None)
