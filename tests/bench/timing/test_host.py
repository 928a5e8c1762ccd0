"""bench.timing.host: what is read of the machine, and what is said where nothing can be read."""

from __future__ import annotations

import json

from bench.timing import host


def test_frequencies_of_a_processor_that_shows_them() -> None:
    text = "processor : 0\ncpu MHz\t\t: 2596.124\nprocessor : 1\ncpu MHz\t\t: 3100.9\n"
    assert host.frequencies(text) == [2596.0, 3101.0]


def test_frequencies_that_are_not_shown_are_none() -> None:
    assert host.frequencies("processor : 0\nBogoMIPS : 50.00\n") is None
    assert host.frequencies("") is None


def test_the_state_is_ready_for_json() -> None:
    state = host.state()
    assert set(state) == {
        "load_1_minute",
        "megahertz",
        "steal_ticks",
        "all_ticks",
        "involuntary_switches",
        "threads",
    }
    assert state["threads"] >= 1
    json.dumps(state, allow_nan=False)


def test_stolen_time_is_the_eighth_field_and_guests_are_not_counted_twice() -> None:
    text = "cpu  100 5 20 800 10 1 4 60 33 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    assert host.core_time(text) == (60, 1000)
    assert host.core_time("") is None
    assert host.core_time("cpu 1 2 3\n") is None
