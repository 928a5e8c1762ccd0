"""Each case by itself, through pytest-benchmark: what its own table and its JSON show."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.timing.measure import BlockPlan, RemoteCall, ReportedClock, Target, WarmUp
from bench.workloads.registry import of_kind
from bench.workloads.workload import Kind, Workload

Measure = Callable[[Workload], None]
"""What the fixture `measure` gives a test."""
SECONDS, ROUNDS = 0.1, 2
"""What is spent on a case, unless pytest-benchmark's options say something else."""
PLUGIN_SECONDS, PLUGIN_ROUNDS, PLUGIN_TIMER = 1.0, 5, "time.perf_counter"
"""pytest-benchmark's own defaults: with these values, an option counts as not given."""
REPORTED_CLOCK = ReportedClock()
"""The timer of the cases that another process times."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a case gets by itself: calls for some seconds, and at least some rounds."""

    seconds: float = SECONDS
    rounds: int = ROUNDS

    def count(self, warm_up: WarmUp | None) -> int:
        """Return the rounds of a case, 1 where nothing is timed (no `warm_up`)."""
        if warm_up is None:
            return 1
        return max(self.rounds, round(self.seconds / warm_up.window_seconds[-1]))


def cases_of(*kinds: Kind) -> Callable[..., None]:
    """Return the test that times each case of some kinds, by the fixture `measure`."""

    @pytest.mark.parametrize("workload", of_kind(*kinds), ids=lambda workload: workload.id)
    def test_case(measure: Measure, workload: Workload) -> None:
        measure(workload)

    return test_case


def share(config: pytest.Config) -> Share:
    """Return the share that pytest-benchmark's options leave each case, wherever they stand."""
    seconds = float(config.getoption("benchmark_max_time"))
    rounds = int(config.getoption("benchmark_min_rounds"))
    return Share(
        seconds=SECONDS if seconds == PLUGIN_SECONDS else seconds,
        rounds=ROUNDS if rounds == PLUGIN_ROUNDS else rounds,
    )


def time_isolated(
    benchmark: BenchmarkFixture, target: Target, warm_up: WarmUp | None, *, share: Share
) -> None:
    """Let pytest-benchmark time a case, or call it once where it times nothing (no `warm_up`)."""
    count = share.count(warm_up)
    if isinstance(target, RemoteCall):
        _replay(benchmark, target, count)
    elif target.setup is None:
        benchmark(target.call)
    else:
        setup = target.setup
        arguments = {"setup": lambda: ((setup(),), {}), "rounds": count}
        benchmark.pedantic(target.call, **arguments)  # type: ignore[no-untyped-call]


def _replay(benchmark: BenchmarkFixture, target: RemoteCall, count: int) -> None:
    """Let the other process time its calls first; its times then pass on the reported clock.

    They come again from the first where pytest-benchmark calls oftener, as for its profile.
    """
    plan = BlockPlan(iterations=1, samples=count, warm_up_calls=0)
    samples = itertools.cycle(target.time_block(plan))
    call = lambda: REPORTED_CLOCK.advance(next(samples))  # noqa: E731
    benchmark.pedantic(call, rounds=count)  # type: ignore[no-untyped-call]
