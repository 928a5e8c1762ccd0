"""bench.analysis.host_load: what others took of the machine, as a report says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support import ROOT

from bench.analysis import record_file
from bench.analysis.host_load import host_load
from bench.analysis.record import Record
from bench.analysis.summary import summarise
from bench.reporting import page

BEFORE: dict[str, Any] = {
    "load_1_minute": 0.5,
    "megahertz": [2600.0, 2600.0],
    "steal_ticks": 10,
    "all_ticks": 1000,
    "involuntary_switches": 4,
    "threads": 3,
}
AFTER = {
    **BEFORE,
    "load_1_minute": 1.5,
    "steal_ticks": 30,
    "all_ticks": 2000,
    "involuntary_switches": 1054,
    "threads": 5,
}


@pytest.fixture(scope="module")
def run() -> Record:
    return record_file.read(max((ROOT / "results" / "bench" / "cpu").glob("*/record.json")))


def with_states(run: Record, before: dict[str, Any], after: dict[str, Any]) -> Record:
    group = replace(run.groups[0], host_before=before, host_after=after)
    return replace(run, groups=(group,), profiles=[])


def test_what_others_took_is_the_difference_of_two_states(run: Record) -> None:
    made = with_states(run, BEFORE, AFTER)
    found = host_load(made)
    assert found.load_1_minute == (0.5, 1.5)
    assert found.steal_percent == (2.0, 2.0)
    assert found.involuntary_switches == (1050, 1050)
    assert found.threads == (3, 5)
    text = page.render(summarise(made), [])
    assert "0.5 to 1.5 on 2 cores. The clock frequency stayed at 2,600 MHz as far as" in text
    assert "a hypervisor took 2.0 to 2.0 % of the cores' time" in text
    assert "1,050 to 1,050 times, and it had 3 to 5 threads." in text


def test_what_the_system_does_not_show_is_not_said(run: Record) -> None:
    unknown = dict.fromkeys(BEFORE)
    made = with_states(run, unknown, {**unknown, "threads": 3})
    assert host_load(made).steal_percent is None
    text = page.render(summarise(made), [])
    assert "hypervisor" not in text
    assert "Load average" not in text
    assert "The clock frequency is not readable here." in text


def test_a_clock_that_moved_is_said(run: Record) -> None:
    made = with_states(run, BEFORE, {**AFTER, "megahertz": [2600.0, 3100.0]})
    assert "moved between 2,600 and 3,100 MHz." in page.render(summarise(made), [])
