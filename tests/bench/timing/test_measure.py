"""bench.timing.measure with a clock that the test moves: what a sample is, when a call counts as
warm."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.fake_clock import FakeClock, constant, lasting

from bench.timing import measure
from bench.timing.measure import Call, ReportedClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_sample_is_the_mean_of_its_iterations_between_two_readings(clock: FakeClock) -> None:
    durations = iter([1.0, 2.0, 3.0])
    assert measure.measure(lasting(clock, durations), iterations=3, clock=clock) == 2.0
    assert clock.readings == 2


def test_setup_is_outside_the_clock_and_its_result_is_the_argument(clock: FakeClock) -> None:
    seen = []

    def setup() -> str:
        clock.pass_seconds(50.0)
        return "made"

    def call(argument: str) -> None:
        seen.append(argument)
        clock.pass_seconds(0.25)

    target = Call(call=call, setup=setup)
    assert measure.measure(target, iterations=1, clock=clock) == 0.25
    assert seen == ["made"]
    with pytest.raises(ValueError, match="one by one, got 2"):
        measure.measure(target, iterations=2, clock=clock)


def test_iterations_below_one_are_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="iterations must be >= 1, got 0"):
        measure.measure(constant(clock, 1.0), iterations=0, clock=clock)


def test_the_device_is_waited_for_before_each_reading() -> None:
    clock, pending = FakeClock(), []

    def call() -> None:
        pending.append(0.5)  # issued, not done: an asynchronous device

    def synchronize() -> None:
        while pending:
            clock.pass_seconds(pending.pop())

    device_clock = measure.device_clock(synchronize, clock)
    assert measure.measure(Call(call=call), iterations=4, clock=device_clock) == 0.5
    # Without waiting, the same work seems to take no time at all.
    assert measure.measure(Call(call=call), iterations=4, clock=clock) == 0.0


def test_the_collector_is_off_inside_the_clock_and_restored_after(clock: FakeClock) -> None:
    states = []
    assert gc.isenabled()
    measure.measure(Call(call=lambda: states.append(gc.isenabled())), iterations=2, clock=clock)
    assert states == [False, False]
    assert gc.isenabled()

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        measure.measure(Call(call=fail), iterations=1, clock=clock)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("windows", "steady"),
    [
        ([], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([9.0, 1.0, 1.04, 1.05], True),
        ([1.0, 1.0, 1.06], False),
        ([1.06, 1.0, 1.0], False),
    ],
)
def test_steady_means_three_windows_within_five_per_cent(
    windows: list[float], steady: bool
) -> None:
    assert measure.is_steady(windows) is steady


def test_warm_up_leaves_the_cold_calls_behind_and_proves_it(clock: FakeClock) -> None:
    def durations() -> Iterator[float]:
        yield 5.0  # compiles
        yield from (0.4, 0.2)
        while True:
            yield 0.1

    warm = measure.warm_up(lasting(clock, durations()), clock=clock)
    assert warm.steady
    assert warm.window_seconds == pytest.approx((0.4, 0.2, 0.1, 0.1, 0.1))


def test_a_window_holds_as_many_calls_as_fill_it(clock: FakeClock) -> None:
    started = clock.now
    measure.warm_up(constant(clock, 0.01), clock=clock, window_seconds=0.035)
    assert clock.now - started == pytest.approx(0.01 * (1 + 3 * 4))


def test_warm_up_gives_up_and_says_so(clock: FakeClock) -> None:
    def growing() -> Iterator[float]:
        seconds = 0.1
        while True:
            yield seconds
            seconds *= 1.5

    warm = measure.warm_up(lasting(clock, growing()), clock=clock, limit_seconds=1.0)
    assert not warm.steady
    assert len(warm.window_seconds) >= measure.STEADY_WINDOWS
    assert sum(warm.window_seconds[:-1]) < 1.0


def test_a_reported_clock_moves_by_what_is_reported_and_by_nothing_else() -> None:
    reported = ReportedClock()
    first = measure.measure(
        Call(call=lambda: reported.advance(0.25)), iterations=2, clock=reported
    )
    assert first == 0.25
    assert measure.measure(Call(call=lambda: None), iterations=1, clock=reported) == 0.0
