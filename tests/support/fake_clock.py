"""A clock that a test moves, and calls that take what the test says."""

from __future__ import annotations

from collections.abc import Iterator

from bench.timing.measure import Call


class FakeClock:
    """A clock that stands still until something takes time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


def lasting(clock: FakeClock, durations: Iterator[float]) -> Call:
    """Return a call whose n-th run takes the n-th duration."""
    return Call(call=lambda: clock.pass_seconds(next(durations)))


def constant(clock: FakeClock, seconds: float) -> Call:
    return Call(call=lambda: clock.pass_seconds(seconds))
