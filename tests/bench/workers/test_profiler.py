"""bench.workers.profiler: the profiled steps hold the preparation of data as often as a run
does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bench.workers import profiler
from bench.workers.profiler import Scenario
from mnist_core.training import batches


@pytest.mark.parametrize("batch_size", [1, 16, 64, 100, 256, 512, 1024])
def test_the_profiled_steps_are_a_multiple_of_the_batches_prepared_at_once(
    batch_size: int,
) -> None:
    prepared_at_once = max(1, batches.PREPARED_IMAGES // batch_size)
    steps = profiler.active_steps(batch_size)
    assert steps % prepared_at_once == 0
    assert steps >= profiler.FEWEST_ACTIVE_STEPS


def test_five_steps_would_not_do_at_batch_64() -> None:
    assert profiler.active_steps(64) == 8
    assert profiler.active_steps(1024) == 5


def test_the_steps_of_both_profiles_come_from_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(name="training", batch_size=64, training=True)
    monkeypatch.setattr(profiler, "training_step", lambda *_: None)
    steps = profiler._steps(scenario, torch.device("cpu"), "digits")
    for _ in range(2 + 2 * (profiler.WARM_UP_STEPS + scenario.active_steps)):
        next(steps)


def event(key: str, microseconds: float) -> SimpleNamespace:
    return SimpleNamespace(key=key, microseconds=microseconds)


def test_the_parts_of_a_profiled_step_are_shares_of_its_time() -> None:
    table = [
        event("ProfilerStep*", 1000.0),
        event("data", 100.0),
        event("forward", 200.0),
        event("autograd::engine::evaluate_function: ConvolutionBackward0", 300.0),
        event("autograd::engine::evaluate_function: AddmmBackward0", 100.0),
        event("Optimizer.step#Adam.step", 150.0),
        event("aten::convolution", 180.0),
    ]
    shares = profiler.split(table, training=True, time_of=lambda found: found.microseconds)
    expected = {"data": 0.1, "forward": 0.2, "backward": 0.4, "optimizer": 0.15, "rest": 0.15}
    assert shares == pytest.approx(expected)


def test_the_peak_of_memory_is_above_what_was_there_before() -> None:
    def memory(total: int, device_type: int = 0) -> dict[str, object]:
        values = {"Total Allocated": total, "Device Type": device_type}
        return {"name": "[memory]", "args": values}

    events = [memory(100), memory(340), memory(160), memory(9000, 1), {"name": "aten::add"}]
    assert profiler.peak_bytes(events, device="cpu") == 240
    assert profiler.peak_bytes([], device="cpu") == 0
