"""Schedules: bounded, continuous, pure functions of progress with the shapes of their sources."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_core.errors import UserError
from mnist_core.optim.schedules import SCHEDULES, cosine, multiplier, one_cycle

PROGRESS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stays_above_zero_and_within_the_peak(name):
    for step in range(1_000):
        assert 0 < multiplier(name, step / 1_000) <= 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_reaches_the_peak(name):
    assert max(multiplier(name, step / 1_000) for step in range(1_000)) == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_jumps(name):
    values = [multiplier(name, step / 1_000) for step in range(1_000)]
    assert max(abs(a - b) for a, b in itertools.pairwise(values)) < 0.005


@given(progress=PROGRESS)
def test_constant_keeps_the_peak(progress):
    assert multiplier("constant", progress) == 1


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_cosine_is_torchs_cosine_annealing(steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        assert 0.3 * multiplier("cosine", step / steps) == pytest.approx(
            scheduler.get_last_lr()[0], abs=1e-12
        )
        optimizer.step()
        scheduler.step()


def test_cosine_starts_at_the_peak_is_half_in_the_middle_and_ends_at_zero():
    assert [cosine(0), cosine(0.5), cosine(1)] == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize(
    ("progress", "factor"), [(0, 0.04), (0.125, 0.52), (0.25, 1), (0.625, 0.5), (1, 0)]
)
def test_one_cycle_warms_up_for_a_quarter_and_anneals_to_zero(progress, factor):
    assert one_cycle(progress) == pytest.approx(factor)


def test_one_cycle_has_the_shape_of_torchs_linear_one_cycle():
    steps = 1_001  # torch's progress is step / (total_steps - 1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=1.0,
            total_steps=steps,
            pct_start=0.25,
            anneal_strategy="linear",
            cycle_momentum=False,
            final_div_factor=1e9,
        )
    for step in range(steps - 1):
        # torch puts the peak one step before the quarter.
        assert one_cycle(step / (steps - 1)) == pytest.approx(
            scheduler.get_last_lr()[0], abs=0.005
        )
        optimizer.step()
        scheduler.step()


@given(first=PROGRESS, second=PROGRESS)
def test_a_schedule_keeps_no_state(first, second):
    expected = multiplier("one-cycle", first)
    multiplier("one-cycle", second)
    assert multiplier("one-cycle", first) == expected


def test_an_unknown_schedule_is_refused_and_the_known_ones_named():
    with pytest.raises(UserError, match="unknown schedule 'step'; known: constant, cosine, one-"):
        multiplier("step", 0.5)
