"""Randomness by purpose: reproducible, independent, and apart from torch's global generator."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_core.runtime.randomness import derive_seed, generator

SEEDS = st.integers(0, 2**63 - 1)


def test_a_purpose_gives_the_same_seed_in_every_version():
    # The head of `printf 0/order/1 | sha256sum`, shifted right by one bit.
    assert derive_seed(0, "order", 1) == 4489457307835839548


@given(seed=SEEDS, epoch=st.integers(0, 10_000))
def test_derived_seeds_are_what_torch_takes(seed, epoch):
    derived = derive_seed(seed, "order", epoch)
    assert 0 <= derived < 2**63
    assert generator(seed, "order", epoch).initial_seed() == derived


def test_seeds_epochs_and_purposes_all_give_different_seeds():
    derived = {
        derive_seed(seed, purpose, epoch)
        for seed in range(20)
        for purpose in ("initialisation", "order", "augmentation")
        for epoch in range(20)
    }
    assert len(derived) == 20 * 3 * 20


def test_the_same_arguments_give_the_same_draws_again():
    first = torch.rand(1_000, generator=generator(3, "order", 2))
    assert torch.equal(first, torch.rand(1_000, generator=generator(3, "order", 2)))


def test_draws_for_two_purposes_are_not_correlated():
    draws = torch.stack(
        [torch.rand(10_000, generator=generator(0, purpose, 1)) for purpose in ("order", "noise")]
    )
    assert abs(float(torch.corrcoef(draws)[0, 1])) < 0.05


def test_drawing_leaves_torchs_global_generator_alone():
    before = torch.random.get_rng_state()
    torch.rand(10, generator=generator(0, "order", 1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("global_seed", [0, 1])
def test_torchs_global_generator_does_not_reach_the_draws(global_seed):
    expected = torch.rand(10, generator=generator(0, "order", 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(global_seed)
        assert torch.equal(torch.rand(10, generator=generator(0, "order", 1)), expected)
