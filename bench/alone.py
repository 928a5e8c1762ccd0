"""Each case by itself, through pytest-benchmark: what its own table and its JSON show."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from bench.timing import Call, Elsewhere, Plan, ReportedClock, WarmUp

SECONDS, ROUNDS = 0.15, 2
"""What is spent on a case, unless pytest-benchmark's options are given."""
REPORTED_CLOCK = ReportedClock()
"""The timer of the cases that another process times."""


def time_alone(
    benchmark: BenchmarkFixture, target: Call | Elsewhere, warm_up: WarmUp | None
) -> None:
    """Let pytest-benchmark time a case, or call it once where it times nothing (no `warm_up`)."""
    if isinstance(target, Elsewhere):
        _replay(benchmark, target, warm_up)
    elif target.setup is None:
        benchmark(target.call)
    else:
        setup = target.setup
        arguments = {"setup": lambda: ((setup(),), {}), "rounds": ROUNDS}
        benchmark.pedantic(target.call, **arguments)  # type: ignore[no-untyped-call]


def _replay(benchmark: BenchmarkFixture, target: Elsewhere, warm_up: WarmUp | None) -> None:
    """Let the other process time its calls first; its times then pass on the reported clock."""
    count = max(ROUNDS, round(SECONDS / warm_up.window_seconds[-1])) if warm_up else 1
    data = iter(target.time_block(Plan(iterations=1, data=count, rewarm=0)))
    call = lambda: REPORTED_CLOCK.advance(next(data))  # noqa: E731
    benchmark.pedantic(call, rounds=count)  # type: ignore[no-untyped-call]
