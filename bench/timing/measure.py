"""The one file that owns the clock: what a datum is, when a call is warm, how rounds interleave.

A datum is the time of `iterations` calls in a row between two readings of the clock, divided by
their number; for a latency `iterations` is 1. On CUDA the clock waits for the device before each
reading. Everything takes its clock as an argument, so that the tests can use one that they move.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Clock = Callable[[], float]

STEADY_TOLERANCE = 0.05
STEADY_WINDOWS = 3
WINDOW_SECONDS = 0.04
WARM_UP_LIMIT_SECONDS = 1.5
# Untimed, each time the turn comes to a case: its predecessor's data leave the caches, and where
# another process had the turn, its threads still spin at their barrier for milliseconds. All cases
# of a group get the same time, so that none starts colder than another. The first five calls of a
# latency's block were up to 1.4 times as long as the rest where only one was dropped.
REWARM_SECONDS = 0.01
LATENCY_REWARM_SECONDS = 0.02
# A call this many times as long as the rewarming loses little to a cold start.
REWARM_UNLESS_LONGER = 10


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is timed: `call` does all of the work and returns when it was issued."""

    call: Callable[..., object]
    setup: Callable[[], Any] | None = None
    """Runs before each datum, outside the clock; its result is the argument of `call`."""
    enter: Callable[[], None] | None = None
    """Runs before each stretch of data (sets the number of threads), outside the clock."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What another process does, and times there: nothing between the two is in a datum."""

    warm_up: Callable[[], WarmUp]
    time_block: Callable[[Plan], list[float]]


class ReportedClock:
    """A clock that stands still but for the seconds that another process reports."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Return the seconds reported so far."""
        return self._now

    def __repr__(self) -> str:
        """Return what pytest-benchmark's JSON calls the timer: the same in each run."""
        return "ReportedClock()"

    def advance(self, seconds: float) -> None:
        """Let the seconds of a datum pass."""
        self._now += seconds


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """The proof that timings were steady, or that they were not, before anything counted."""

    steady: bool
    window_seconds: tuple[float, ...]
    """Median time of a call in each window, in order."""
    calls: int


def device_clock(synchronize: Callable[[], None], clock: Clock = time.perf_counter) -> Clock:
    """Return a clock that waits for the device before it is read."""

    def read() -> float:
        synchronize()
        return clock()

    return read


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python's garbage collector from running inside the clock."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def measure(target: Call, *, iterations: int, clock: Clock) -> float:
    """Time one datum: seconds a call, the mean of `iterations` calls in a row."""
    if iterations < 1:
        raise ValueError(f"iterations must be >= 1, got {iterations}")
    if target.setup is not None:
        if iterations != 1:
            raise ValueError(f"a call with a setup is timed one by one, got {iterations}")
        argument = target.setup()
        with collector_paused():
            started = clock()
            target.call(argument)
            return clock() - started
    call, repeats = target.call, range(iterations)
    with collector_paused():
        started = clock()
        for _ in repeats:
            call()
        return (clock() - started) / iterations


def is_steady(windows: Sequence[float], *, tolerance: float = STEADY_TOLERANCE) -> bool:
    """Tell whether the last three windows lie within `tolerance` of one another."""
    last = windows[-STEADY_WINDOWS:]
    return len(last) == STEADY_WINDOWS and max(last) <= min(last) * (1.0 + tolerance)


def warm_up(
    target: Call | Elsewhere,
    *,
    clock: Clock,
    window_seconds: float = WINDOW_SECONDS,
    limit_seconds: float = WARM_UP_LIMIT_SECONDS,
) -> WarmUp:
    """Call until the timings are steady, or until `limit_seconds` have gone.

    A window is as many calls as fill `window_seconds`, at least one. The first call, which may
    compile or allocate, belongs to no window.
    """
    if isinstance(target, Elsewhere):
        return target.warm_up()
    measure(target, iterations=1, clock=clock)
    windows: list[float] = []
    calls, spent = 1, 0.0
    while not is_steady(windows) and (spent < limit_seconds or len(windows) < STEADY_WINDOWS):
        times: list[float] = []
        while not times or sum(times) < window_seconds:
            times.append(measure(target, iterations=1, clock=clock))
        calls += len(times)
        spent += sum(times)
        windows.append(statistics.median(times))
    return WarmUp(steady=is_steady(windows), window_seconds=tuple(windows), calls=calls)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one case is timed in every block: `data` data of `iterations` calls each."""

    iterations: int
    data: int
    rewarm: int
    """Untimed calls before the first datum."""


def plan(
    *,
    call_seconds: float,
    block_seconds: float,
    latency: bool,
    has_setup: bool,
    fewest: int = 1,
) -> Plan:
    """Fill a block with data: single calls for a latency, one mean of many for a throughput.

    However long a call takes, there are at least `fewest` of them. The untimed calls before them
    fill a time that does not depend on the case.
    """
    call_seconds = max(call_seconds, 1e-9)
    calls = max(fewest, round(block_seconds / call_seconds))
    if has_setup:
        return Plan(iterations=1, data=1, rewarm=0)
    rewarm_seconds = LATENCY_REWARM_SECONDS if latency else REWARM_SECONDS
    rewarm = math.ceil(rewarm_seconds / call_seconds)
    if call_seconds > REWARM_UNLESS_LONGER * rewarm_seconds:
        rewarm = 0
    if latency:
        return Plan(iterations=1, data=calls, rewarm=rewarm)
    return Plan(iterations=calls, data=1, rewarm=rewarm)


def interleave(
    targets: Mapping[str, Call | Elsewhere],
    plans: Mapping[str, Plan],
    *,
    blocks: int,
    clock: Clock,
    order: random.Random,
) -> dict[str, list[list[float]]]:
    """Time all cases in turn, `blocks` times, in a new random order each time.

    Return for each case its blocks, each a list of data in seconds. Block i of one case and block
    i of another lie seconds apart: what the machine does over minutes is common to both.
    """
    if blocks < 1:
        raise ValueError(f"blocks must be >= 1, got {blocks}")
    result: dict[str, list[list[float]]] = {name: [] for name in targets}
    names = list(targets)
    for _ in range(blocks):
        order.shuffle(names)
        for name in names:
            result[name].append(time_block(targets[name], plans[name], clock=clock))
    return result


def time_block(target: Call | Elsewhere, how: Plan, *, clock: Clock) -> list[float]:
    """Time one case's share of one block."""
    if isinstance(target, Elsewhere):
        return target.time_block(how)
    if target.enter is not None:
        target.enter()
    if how.rewarm:
        measure(target, iterations=how.rewarm, clock=clock)
    return [measure(target, iterations=how.iterations, clock=clock) for _ in range(how.data)]
