"""bench.analysis.stability: bimodal, drifting and noisy blocks get a word, others none."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.stability import instability

NOISE = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("blocks", "word"),
    [
        ([178, 179, 179, 178, 182, 181, 89, 89, 89, 89, 89, 89, 89, 89, 89, 89], "bimodal"),
        ([100, 131, 101, 130, 99, 132, 100, 131, 101, 130, 99, 132], "bimodal"),
        ([100, 101, 102, 104, 105, 107, 108, 110, 111, 113, 114, 116], "drifting"),
        ([100, 150, 70, 110, 85, 130, 60, 140, 95, 105, 120, 75], "noisy"),
        ([100, 101, 102, 100, 99, 103, 98, 100, 101, 102, 99, 100], None),
        ([100, 101, 102, 100, 180, 103, 98, 100, 190, 102, 99, 100], None),
        ([100] * 12, None),
    ],
)
def test_each_way_of_not_being_alike_has_its_word(blocks: list[float], word: str | None) -> None:
    assert instability(blocks) == word


@pytest.mark.parametrize("spread", [0.01, 0.04, 0.08])
def test_noise_alone_is_seldom_called_unstable(spread: float) -> None:
    called = [
        instability(np.exp(spread * NOISE.standard_normal(16)).tolist()) is not None
        for _ in range(400)
    ]
    assert np.mean(called) <= 0.02
