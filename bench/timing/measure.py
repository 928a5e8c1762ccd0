"""The one file that reads the clock: what a sample is, and when a call is warm.

A sample is the time of `iterations` calls in a row between two readings of the clock, divided by
their number; for a latency `iterations` is 1. On CUDA the clock waits for the device before each
reading. Everything takes its clock as an argument, so that the tests can use one that they move.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Clock = Callable[[], float]

STEADY_TOLERANCE = 0.05
STEADY_WINDOWS = 3
WINDOW_SECONDS = 0.04
WARM_UP_LIMIT_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is timed: `call` does all of the work and returns when it was issued."""

    call: Callable[..., object]
    setup: Callable[[], Any] | None = None
    """Runs before each sample, outside the clock; its result is the argument of `call`."""
    enter: Callable[[], None] | None = None
    """Runs before each block (sets the number of threads), outside the clock."""


@dataclass(frozen=True, kw_only=True)
class BlockPlan:
    """How one case is timed in every block: `samples` of `iterations` calls each."""

    iterations: int
    samples: int
    warm_up_calls: int
    """Untimed, before the first sample."""


@dataclass(eq=False)
class ReportedClock:
    """A clock that stands still but for the seconds that another process reports."""

    now: float = field(default=0.0, repr=False)
    """Not part of what pytest-benchmark's JSON calls the timer: that is the same in each run."""

    def __call__(self) -> float:
        """Return the seconds reported so far."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let the seconds of a sample pass."""
        self.now += seconds


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """Whether timings became steady before any sample was taken."""

    steady: bool
    window_seconds: tuple[float, ...]
    """Median time of a call in each window, in order."""


@dataclass(frozen=True, kw_only=True)
class RemoteCall:
    """A call that another process makes and times: no message between the two is in a sample."""

    warm_up: Callable[[], WarmUp]
    time_block: Callable[[BlockPlan], list[float]]


Target = Call | RemoteCall


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
    """Time one sample: seconds a call, the mean of `iterations` calls in a row."""
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


def is_steady(windows: Sequence[float]) -> bool:
    """Tell whether the last three windows lie within 5 % of one another."""
    last = windows[-STEADY_WINDOWS:]
    return len(last) == STEADY_WINDOWS and max(last) <= min(last) * (1.0 + STEADY_TOLERANCE)


def warm_up(
    target: Target,
    *,
    clock: Clock,
    window_seconds: float = WINDOW_SECONDS,
    limit_seconds: float = WARM_UP_LIMIT_SECONDS,
) -> WarmUp:
    """Call until the timings are steady, or until `limit_seconds` have gone.

    A window is as many calls as fill `window_seconds`, at least one. The first call, which may
    compile or allocate, belongs to no window.
    """
    if isinstance(target, RemoteCall):
        return target.warm_up()
    measure(target, iterations=1, clock=clock)
    windows: list[float] = []
    spent = 0.0
    while not is_steady(windows) and (spent < limit_seconds or len(windows) < STEADY_WINDOWS):
        times: list[float] = []
        while not times or sum(times) < window_seconds:
            times.append(measure(target, iterations=1, clock=clock))
        spent += sum(times)
        windows.append(statistics.median(times))
    return WarmUp(steady=is_steady(windows), window_seconds=tuple(windows))
