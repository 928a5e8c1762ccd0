"""Elastic distortion: grid points are displaced as drawn, the pixels between them smoothly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnist_core.data.augment import bilinear, elastic
from mnist_core.runtime.randomness import generator


def test_grid_points_are_displaced_as_drawn_and_the_pixels_between_them_smoothly():
    points = elastic.draw(300, elastic=0.03, generator=generator(0, "test"))
    assert points.shape == (300, 2, elastic.POINTS, elastic.POINTS)
    quantiles = torch.quantile(points.flatten()[:10_000], torch.linspace(0, 1, 11))
    assert quantiles.numpy() == pytest.approx(np.linspace(-0.06, 0.06, 11), abs=0.003)
    # 29 pixels: every seventh lies on a grid point
    field = elastic.displacements(points, size=(29, 29))
    torch.testing.assert_close(field[:, ::7, ::7].permute(0, 3, 1, 2), points)
    for steps in (field.diff(dim=1), field.diff(dim=2)):
        assert float(steps.abs().max()) < 0.04  # of a largest change of 0.12 within 7 pixels


def test_a_displacement_that_is_the_same_everywhere_is_a_shift():
    images = torch.randint(0, 256, (3, 1, 28, 28)).to(torch.uint8)
    unmoved = torch.eye(2, 3).expand(3, 2, 3)
    points = torch.tensor([2 * 2.0 / 28, -2 * 1.0 / 28]).view(1, 2, 1, 1).expand(3, 2, 5, 5)
    field = elastic.displacements(points, size=(28, 28))
    moved = bilinear.apply(images, unmoved, displacements=field)
    # what was found 2 to the right and 1 above now lies here
    expected = images[:, :, :-1, 2:].float()
    torch.testing.assert_close(moved[:, :, 1:, :-2], expected, rtol=0, atol=1e-2)
