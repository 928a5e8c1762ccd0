"""bench.timing.measure with a clock that the test moves: what a datum is, when a call counts as
warm."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator

import pytest

from bench.timing import measure as timing
from bench.timing.measure import Call, Elsewhere, Plan, ReportedClock, WarmUp


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


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def lasting(clock: FakeClock, durations: Iterator[float]) -> Call:
    """Return a call whose n-th run takes the n-th duration."""
    return Call(call=lambda: clock.pass_seconds(next(durations)))


def constant(clock: FakeClock, seconds: float) -> Call:
    return Call(call=lambda: clock.pass_seconds(seconds))


def test_a_datum_is_the_mean_of_its_iterations_between_two_readings(clock: FakeClock) -> None:
    durations = iter([1.0, 2.0, 3.0])
    assert timing.measure(lasting(clock, durations), iterations=3, clock=clock) == 2.0
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
    assert timing.measure(target, iterations=1, clock=clock) == 0.25
    assert seen == ["made"]
    with pytest.raises(ValueError, match="one by one, got 2"):
        timing.measure(target, iterations=2, clock=clock)


def test_iterations_below_one_are_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="iterations must be >= 1, got 0"):
        timing.measure(constant(clock, 1.0), iterations=0, clock=clock)


def test_the_device_is_waited_for_before_each_reading() -> None:
    clock, pending = FakeClock(), []

    def call() -> None:
        pending.append(0.5)  # issued, not done: an asynchronous device

    def synchronize() -> None:
        while pending:
            clock.pass_seconds(pending.pop())

    device_clock = timing.device_clock(synchronize, clock)
    assert timing.measure(Call(call=call), iterations=4, clock=device_clock) == 0.5
    # Without waiting, the same work seems to take no time at all.
    assert timing.measure(Call(call=call), iterations=4, clock=clock) == 0.0


def test_the_collector_is_off_inside_the_clock_and_restored_after(clock: FakeClock) -> None:
    states = []
    assert gc.isenabled()
    timing.measure(Call(call=lambda: states.append(gc.isenabled())), iterations=2, clock=clock)
    assert states == [False, False]
    assert gc.isenabled()

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        timing.measure(Call(call=fail), iterations=1, clock=clock)
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
    assert timing.is_steady(windows) is steady


def test_warm_up_leaves_the_cold_calls_behind_and_proves_it(clock: FakeClock) -> None:
    def durations() -> Iterator[float]:
        yield 5.0  # compiles
        yield from (0.4, 0.2)
        while True:
            yield 0.1

    warm = timing.warm_up(lasting(clock, durations()), clock=clock)
    assert warm.steady
    assert warm.window_seconds == pytest.approx((0.4, 0.2, 0.1, 0.1, 0.1))
    assert warm.calls == 6


def test_a_window_holds_as_many_calls_as_fill_it(clock: FakeClock) -> None:
    warm = timing.warm_up(constant(clock, 0.01), clock=clock, window_seconds=0.035)
    assert warm.calls == 1 + 3 * 4


def test_warm_up_gives_up_and_says_so(clock: FakeClock) -> None:
    def growing() -> Iterator[float]:
        seconds = 0.1
        while True:
            yield seconds
            seconds *= 1.5

    warm = timing.warm_up(lasting(clock, growing()), clock=clock, limit_seconds=1.0)
    assert not warm.steady
    assert len(warm.window_seconds) >= timing.STEADY_WINDOWS
    assert sum(warm.window_seconds[:-1]) < 1.0


def test_a_plan_times_single_calls_for_latency_and_means_for_throughput() -> None:
    latency = timing.plan(call_seconds=0.001, block_seconds=0.02, latency=True, has_setup=False)
    assert latency == Plan(iterations=1, data=20, rewarm=20)
    throughput = timing.plan(
        call_seconds=0.001, block_seconds=0.02, latency=False, has_setup=False
    )
    assert throughput == Plan(iterations=20, data=1, rewarm=10)
    slow = timing.plan(call_seconds=3.0, block_seconds=0.02, latency=False, has_setup=False)
    assert slow == Plan(iterations=1, data=1, rewarm=0)
    prepared = timing.plan(call_seconds=0.001, block_seconds=0.02, latency=False, has_setup=True)
    assert prepared == Plan(iterations=1, data=1, rewarm=0)


def test_interleaving_visits_every_case_once_a_block_in_changing_order(clock: FakeClock) -> None:
    visited: list[str] = []

    def target(name: str, seconds: float) -> Call:
        return Call(call=lambda: clock.pass_seconds(seconds), enter=lambda: visited.append(name))

    seconds = {"a": 1.0, "b": 2.0, "c": 3.0}
    result = timing.interleave(
        {name: target(name, value) for name, value in seconds.items()},
        dict.fromkeys(seconds, Plan(iterations=1, data=2, rewarm=0)),
        blocks=20,
        clock=clock,
        order=random.Random(1),
    )
    assert result == {name: [[value, value]] * 20 for name, value in seconds.items()}
    rounds = [tuple(visited[i : i + 3]) for i in range(0, 60, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 3


@pytest.mark.parametrize("latency", [True, False])
@pytest.mark.parametrize("call_seconds", [50e-6, 250e-6, 0.004])
def test_every_case_is_called_for_the_same_time_before_its_data(
    clock: FakeClock, call_seconds: float, latency: bool
) -> None:
    how = timing.plan(
        call_seconds=call_seconds, block_seconds=0.012, latency=latency, has_setup=False
    )
    wanted = timing.LATENCY_REWARM_SECONDS if latency else timing.REWARM_SECONDS
    started = clock.now

    def call() -> None:  # cold until the case was called for long enough
        cold = clock.now - started < wanted - 1e-9
        clock.pass_seconds(call_seconds * (1.4 if cold else 1.0))

    # What is slow at first is over a little earlier: nothing of it reaches the data.
    data = timing.time_block(Call(call=call), how, clock=clock)
    assert data == pytest.approx([call_seconds] * how.data)
    assert how.rewarm * call_seconds == pytest.approx(wanted, abs=call_seconds)


def test_rewarming_is_not_timed(clock: FakeClock) -> None:
    durations = iter([7.0, 1.0, 1.0])
    how = Plan(iterations=1, data=2, rewarm=1)
    assert timing.time_block(lasting(clock, durations), how, clock=clock) == [1.0, 1.0]


def test_no_blocks_are_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="blocks must be >= 1, got 0"):
        timing.interleave({}, {}, blocks=0, clock=clock, order=random.Random(0))


def test_what_another_process_times_is_taken_as_it_says_and_never_timed_here(
    clock: FakeClock,
) -> None:
    asked: list[Plan] = []

    def time_block(how: Plan) -> list[float]:
        asked.append(how)
        clock.pass_seconds(30.0)  # the way there and back
        return [0.5] * how.data

    seen = WarmUp(steady=True, window_seconds=(0.5, 0.5, 0.5), calls=4)
    there = Elsewhere(warm_up=lambda: seen, time_block=time_block)
    how = Plan(iterations=1, data=3, rewarm=2)
    assert timing.warm_up(there, clock=clock) is seen
    result = timing.interleave(
        {"here": constant(clock, 2.0), "there": there},
        dict.fromkeys(("here", "there"), how),
        blocks=4,
        clock=clock,
        order=random.Random(1),
    )
    assert result == {"here": [[2.0] * 3] * 4, "there": [[0.5] * 3] * 4}
    assert asked == [how] * 4


def test_a_reported_clock_moves_by_what_is_reported_and_by_nothing_else() -> None:
    reported = ReportedClock()
    first = timing.measure(Call(call=lambda: reported.advance(0.25)), iterations=2, clock=reported)
    assert first == 0.25
    assert timing.measure(Call(call=lambda: None), iterations=1, clock=reported) == 0.0
