"""The embedded digits: scikit-learn's, stretched exactly, without importing scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from mnist_core.data.digits import read
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError


def stretched_exactly(small: np.ndarray) -> np.ndarray:
    """Stretch 8×8 values 0..16 to 20×20 bytes bilinearly, in fractions, halves rounded up."""
    taps = []
    for target in range(20):
        position = max(Fraction(2 * target + 1, 2) * Fraction(8, 20) - Fraction(1, 2), Fraction(0))
        low = int(position)
        taps.append((low, min(low + 1, 7), position - low))
    large = np.zeros((20, 20), dtype=np.uint8)
    for i, (top, bottom, down) in enumerate(taps):
        for j, (left, right, along) in enumerate(taps):
            value = (1 - down) * ((1 - along) * small[top][left] + along * small[top][right])
            value += down * ((1 - along) * small[bottom][left] + along * small[bottom][right])
            large[i, j] = int(value * 255 / 16 + Fraction(1, 2))
    return large


def test_digits_split_into_1197_300_and_300_images_of_mnists_shape(digits):
    for split, count in ((digits.train, 1_197), (digits.validation, 300), (digits.test, 300)):
        assert split.images.shape == (count, 1, 28, 28)
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert set(split.labels.tolist()) == set(range(10))
    assert (digits.name, digits.notice) == ("digits", None)


def test_digits_are_scikit_learns_stretched_to_the_middle_in_their_order(digits):
    bunch = load_digits()
    splits = (digits.train, digits.validation, digits.test)
    images, labels = (torch.cat([getattr(s, f) for s in splits]) for f in ("images", "labels"))
    assert labels.tolist() == bunch.target.tolist()
    for index in (0, 1, 700, 1_196, 1_197, 1_796):
        expected = np.zeros((28, 28), dtype=np.uint8)
        expected[4:24, 4:24] = stretched_exactly(bunch.images[index].astype(int).tolist())
        np.testing.assert_array_equal(images[index, 0].numpy(), expected)


def test_another_file_than_the_published_one_is_an_error(monkeypatch):
    spec = replace(DATASETS["digits"], sha256="0" * 64)
    monkeypatch.setitem(DATASETS, "digits", spec)
    with pytest.raises(UserError, match=r"digits.csv.gz is altered: .* must be 000.*, got d09ec6"):
        read()


def test_a_process_that_loads_digits_imports_nothing_that_takes_long(run_python):
    code = """
import sys
from mnist_core.data.load import load
from mnist_core.runtime.device import prepare_process
load("digits", data_dir=None, device=prepare_process(threads=1))
print({"sklearn", "scipy", "pandas", "torchvision", "torch._dynamo"} & set(sys.modules))
"""
    completed = run_python("-c", code)
    assert completed.stdout == "set()\n", completed.stderr
