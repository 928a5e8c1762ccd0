"""bench.timing.blocks with a clock that the test moves: plans, turns, warm-up of a block."""

from __future__ import annotations

import random

import pytest
from support.fake_clock import FakeClock, constant, lasting

from bench.timing import blocks, measure
from bench.timing.measure import BlockPlan, Call, RemoteCall, WarmUp


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_plan_times_single_calls_for_latency_and_means_for_throughput() -> None:
    latency = blocks.plan(call_seconds=0.001, block_seconds=0.02, latency=True, has_setup=False)
    assert latency == BlockPlan(iterations=1, samples=20, warm_up_calls=20)
    throughput = blocks.plan(
        call_seconds=0.001, block_seconds=0.02, latency=False, has_setup=False
    )
    assert throughput == BlockPlan(iterations=20, samples=1, warm_up_calls=10)
    slow = blocks.plan(call_seconds=3.0, block_seconds=0.02, latency=False, has_setup=False)
    assert slow == BlockPlan(iterations=1, samples=1, warm_up_calls=0)
    prepared = blocks.plan(call_seconds=0.001, block_seconds=0.02, latency=False, has_setup=True)
    assert prepared == BlockPlan(iterations=1, samples=1, warm_up_calls=0)


def test_interleaving_visits_every_case_once_a_block_in_changing_order(clock: FakeClock) -> None:
    visited: list[str] = []

    def target(name: str, seconds: float) -> Call:
        return Call(call=lambda: clock.pass_seconds(seconds), enter=lambda: visited.append(name))

    seconds = {"a": 1.0, "b": 2.0, "c": 3.0}
    result = blocks.interleave(
        {name: target(name, value) for name, value in seconds.items()},
        dict.fromkeys(seconds, BlockPlan(iterations=1, samples=2, warm_up_calls=0)),
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
def test_every_case_is_called_for_the_same_time_before_its_samples(
    clock: FakeClock, call_seconds: float, latency: bool
) -> None:
    how = blocks.plan(
        call_seconds=call_seconds, block_seconds=0.012, latency=latency, has_setup=False
    )
    wanted = blocks.LATENCY_WARM_UP_SECONDS if latency else blocks.WARM_UP_SECONDS
    started = clock.now

    def call() -> None:  # cold until the case was called for long enough
        cold = clock.now - started < wanted - 1e-9
        clock.pass_seconds(call_seconds * (1.4 if cold else 1.0))

    # What is slow at first is over a little earlier: nothing of it reaches the samples.
    samples = blocks.time_block(Call(call=call), how, clock=clock)
    assert samples == pytest.approx([call_seconds] * how.samples)
    assert how.warm_up_calls * call_seconds == pytest.approx(wanted, abs=call_seconds)


def test_the_warm_up_of_a_block_is_not_timed(clock: FakeClock) -> None:
    durations = iter([7.0, 1.0, 1.0])
    how = BlockPlan(iterations=1, samples=2, warm_up_calls=1)
    assert blocks.time_block(lasting(clock, durations), how, clock=clock) == [1.0, 1.0]


def test_no_blocks_are_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="blocks must be >= 1, got 0"):
        blocks.interleave({}, {}, blocks=0, clock=clock, order=random.Random(0))


def test_what_another_process_times_is_taken_as_it_says_and_never_timed_here(
    clock: FakeClock,
) -> None:
    asked: list[BlockPlan] = []

    def time_block(how: BlockPlan) -> list[float]:
        asked.append(how)
        clock.pass_seconds(30.0)  # the way there and back
        return [0.5] * how.samples

    seen = WarmUp(steady=True, window_seconds=(0.5, 0.5, 0.5))
    there = RemoteCall(warm_up=lambda: seen, time_block=time_block)
    how = BlockPlan(iterations=1, samples=3, warm_up_calls=2)
    assert measure.warm_up(there, clock=clock) is seen
    result = blocks.interleave(
        {"here": constant(clock, 2.0), "there": there},
        dict.fromkeys(("here", "there"), how),
        blocks=4,
        clock=clock,
        order=random.Random(1),
    )
    assert result == {"here": [[2.0] * 3] * 4, "there": [[0.5] * 3] * 4}
    assert asked == [how] * 4
