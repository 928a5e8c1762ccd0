"""bench.workers.profiler: the profiled steps hold the preparation of data as often as a run
does."""

from __future__ import annotations

import pytest
import torch

from bench.workers import profiler as profiling
from bench.workers.profiler import Scenario
from mnist_core.training import batches


@pytest.mark.parametrize("batch_size", [1, 16, 64, 100, 256, 512, 1024])
def test_the_profiled_steps_are_a_multiple_of_the_batches_prepared_at_once(
    batch_size: int,
) -> None:
    prepared_at_once = max(1, batches.PREPARED_IMAGES // batch_size)
    steps = profiling.active_steps(batch_size)
    assert steps % prepared_at_once == 0
    assert steps >= profiling.FEWEST_ACTIVE_STEPS


def test_five_steps_would_not_do_at_batch_64() -> None:
    assert profiling.active_steps(64) == 8
    assert profiling.active_steps(1024) == 5


def test_the_steps_of_both_profiles_come_from_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(name="training", batch_size=64, training=True)
    monkeypatch.setattr(profiling, "training_step", lambda *_: None)
    steps = profiling._steps(scenario, torch.device("cpu"), "digits")
    for _ in range(2 + 2 * (profiling.WARM_UP_STEPS + scenario.active_steps)):
        next(steps)
