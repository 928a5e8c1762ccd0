"""What else the machine was doing during a run, from the states before and after each group."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.record import Record

Range = tuple[float, float]
"""The lowest value and the highest."""
_COUNTS = ("steal_ticks", "all_ticks", "involuntary_switches")
"""They only grow: a group's part is the difference of its two states."""


@dataclass(frozen=True, kw_only=True)
class HostLoad:
    """Ranges over the groups; None where the system does not show it."""

    load_1_minute: Range | None
    megahertz: Range | None
    steal_percent: Range | None
    """Of the cores' time, taken by a hypervisor."""
    involuntary_switches: Range | None
    threads: Range | None


def host_load(record: Record) -> HostLoad:
    """Return how loaded the machine was and whether its clock moved."""
    pairs = [(group.host_before, group.host_after) for group in record.groups]
    states = [state for pair in pairs for state in pair]
    grown = [
        {key: after[key] - before[key] for key in _COUNTS}
        for before, after in pairs
        if all(state[key] is not None for state in (before, after) for key in _COUNTS)
    ]
    return HostLoad(
        load_1_minute=_range(state["load_1_minute"] for state in states),
        megahertz=_range(mhz for state in states for mhz in state["megahertz"] or []),
        steal_percent=_range(100 * g["steal_ticks"] / max(1, g["all_ticks"]) for g in grown),
        involuntary_switches=_range(group["involuntary_switches"] for group in grown),
        threads=_range(state["threads"] for state in states),
    )


def _range(values: Iterable[float | None]) -> Range | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None
