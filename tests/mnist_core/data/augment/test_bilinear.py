"""The bilinear affine augmentation: torchvision's, with a transform of its own for every image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from mnist_core.data.augment import bilinear
from mnist_core.runtime.randomness import generator


@pytest.mark.parametrize(
    ("angle", "shear", "scale", "shift"),
    [
        (0, 0, 1.0, (0, 0)),
        (30, 0, 1.0, (0, 0)),
        (-12, 20, 0.8, (2, -3)),
        (5, -15, 1.3, (-4, 1)),
    ],
)
@pytest.mark.parametrize("side", [28, 32])
def test_an_affine_transform_is_torchvisions(angle, shear, scale, shift, side):
    pixels = torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(0))
    images = pixels.to(torch.uint8)
    expected = tv.affine(
        images.float(),
        angle=angle,
        translate=list(shift),
        scale=scale,
        shear=[shear, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    ones = torch.ones(2, dtype=torch.float64)
    maps = bilinear.inverse_maps(
        np.deg2rad(angle) * ones,
        shear=np.deg2rad(shear) * ones,
        scale=scale * ones,
        shift=torch.tensor(shift, dtype=torch.float64).expand(2, 2) * 2 / side,
    )
    torch.testing.assert_close(bilinear.apply(images, maps), expected, rtol=0, atol=0.05)


def test_no_transform_leaves_every_pixel_as_it_is():
    images = torch.randint(0, 256, (4, 1, 28, 28)).to(torch.uint8)
    maps = bilinear.draw(
        4,
        rotation_degrees=0.0,
        translation=0.0,
        scaling=0.0,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    )
    torch.testing.assert_close(bilinear.apply(images, maps), images.float(), rtol=0, atol=1e-3)


def test_transforms_are_uniform_in_their_ranges():
    maps = bilinear.draw(
        20_000,
        rotation_degrees=20.0,
        translation=0.0,
        scaling=0.2,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    ).double()
    scale = maps[:, :, :2].det().rsqrt()
    angle = torch.rad2deg(torch.atan2(maps[:, 0, 1], maps[:, 0, 0]))
    for values, low, high in ((scale, 0.8, 1.2), (angle, -20.0, 20.0)):
        share = (values - low) / (high - low)
        quantiles = torch.quantile(share, torch.linspace(0, 1, 11, dtype=torch.float64))
        assert quantiles == pytest.approx(np.linspace(0, 1, 11), abs=0.02)


def test_shifts_are_shares_of_the_side():
    maps = bilinear.draw(
        1_000,
        rotation_degrees=0.0,
        translation=0.25,
        scaling=0.0,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    )
    side_shares = maps[:, :, 2] / 2
    assert 0.24 < float(side_shares.max()) <= 0.25
    assert -0.25 <= float(side_shares.min()) < -0.24
