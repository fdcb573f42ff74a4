"""Without any one setting of the profile, at least one probe falls: shown for all of them on a real engine."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.container import Engine, ImageRef, Limits, profile_for
from harness.container.lease import CONNECTION_LABEL
from harness.container.profile import LABEL, OWNER_LABEL, ROLE_LABEL, container_config
from harness.container.settings import SETTINGS, take_off
from harness.doctor.bench import Bench
from harness.doctor.probe import Fired, Probe
from harness.doctor.registry import PROBES

RUN = "test-doctor-settings"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected
        assert connected.labelled(f"holdpoint={RUN}") == ()


def naming(setting: str) -> list[Probe]:
    """The probes that are to fall without `setting`, the cheapest first."""
    found = [probe for probe in PROBES if setting in probe.settings]
    return sorted(found, key=lambda probe: (probe.alone, probe.kind != "state", not probe.quick))


def test_probes_name_only_settings_that_there_are() -> None:
    assert {setting for probe in PROBES for setting in probe.settings} == set(SETTINGS)


@pytest.mark.engine
@pytest.mark.parametrize("setting", SETTINGS)
def test_without_it_a_probe_falls(engine: Engine, image: ImageRef, setting: str) -> None:
    (probe, *_) = naming(setting)
    with Bench(engine, image, RUN, off=(setting,)) as bench:
        outcome = probe.attack(bench)
    assert isinstance(outcome, Fired), (probe.id, outcome)


# What a create request says beside the protections; each is ours to choose, and none keeps a guest from anything.
NO_PROTECTION = frozenset(
    {
        "Entrypoint",
        "Cmd",
        "Healthcheck",
        "StopTimeout",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "AttachStdin",
        "AttachStdout",
        "AttachStderr",
        "AutoRemove",
    }
)


def test_every_part_of_the_create_request_can_be_taken_off() -> None:
    """So that a protection which is added to the profile is not forgotten here."""
    changed: set[str] = set()
    for setting in SETTINGS:
        before, after = request(), request()
        take_off(after, (setting,))
        assert before != after, setting
        changed |= {name for name in flat(before) if flat(before)[name] != flat(after).get(name)}
    assert changed >= set(flat(request())) - NO_PROTECTION


def request() -> dict[str, Any]:
    labels = {LABEL: "run", OWNER_LABEL: "me", ROLE_LABEL: "test", CONNECTION_LABEL: "mine"}
    return container_config(
        profile_for(Limits()), image="sha256:" + "0" * 64, argv=("true",), uid=300_000, env={}, labels=labels
    )


def flat(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != "HostConfig"} | config["HostConfig"]
