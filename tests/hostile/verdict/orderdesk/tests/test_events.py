from dataclasses import FrozenInstanceError

import pytest

from orderdesk import Event, EventBus


def test_priority_then_order():
    bus, heard = EventBus(), []
    bus.subscribe("a", lambda event: heard.append("low"), priority=-1)
    bus.subscribe("a", lambda event: heard.append("first"))
    bus.subscribe("a", lambda event: heard.append("second"))
    bus.subscribe("a", lambda event: heard.append("high"), priority=5)
    assert bus.publish("a") == 4
    assert heard == ["high", "first", "second", "low"]


def test_data_and_wildcard():
    bus, heard = EventBus(), []
    bus.subscribe("*", heard.append)
    bus.publish("a", x=1)
    bus.publish("b")
    assert heard == [Event("a", {"x": 1}), Event("b")]


def test_once_and_unsubscribe():
    bus, heard = EventBus(), []
    bus.subscribe("a", heard.append, once=True)
    stop = bus.subscribe("a", heard.append)
    assert [bus.publish("a"), bus.publish("a")] == [2, 1]
    assert (stop(), stop()) == (True, False)
    assert bus.publish("a") == 0


def test_unsubscribed_while_published():
    bus, heard = EventBus(), []
    stop = []
    bus.subscribe("a", lambda event: stop[0](), priority=1)
    stop.append(bus.subscribe("a", heard.append))
    assert bus.publish("a") == 1
    assert heard == []


def test_errors_are_collected():
    bus, heard = EventBus(), []

    def broken(event):
        raise KeyError(event.kind)

    bus.subscribe("a", broken)
    bus.subscribe("a", heard.append)
    assert bus.publish("a") == 2
    assert len(heard) == 1
    assert isinstance(bus.errors[0][1], KeyError)


def test_muted():
    bus, heard = EventBus(), []
    bus.subscribe("*", heard.append)
    with pytest.raises(RuntimeError):
        with bus.muted("a"):
            assert bus.publish("a") == 0
            assert bus.publish("b") == 1
            raise RuntimeError
    assert bus.publish("a") == 1
    assert [event.kind for event in heard] == ["b", "a"]


def test_events_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Event("a").kind = "b"
