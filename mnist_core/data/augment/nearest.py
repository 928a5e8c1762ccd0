"""The baseline augmentation on batches of uint8 tensors: rotation, then translation; and flips.

Pixel for pixel what torchvision's `RandomRotation` and `RandomAffine(translate=)` give on PIL
images with the same angles and shifts (a test holds it). PIL's nearest-neighbour transform walks
the source in 16.16 fixed point; the same integers are computed here for a whole batch, so that
the result does not depend on a processor's rounding either.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_core.runtime.randomness import uniform

_FIXED_POINT_BITS = 16
_OUTSIDE = -(1 << 30)


@dataclass(frozen=True)
class Transforms:
    """One rotation and one shift per image, ready to be applied.

    `coefficients` [n, 6] int32: PIL's affine matrix (a, b, c, d, e, f), row by row, in 16.16
    fixed point at the centre of the first pixel. `shifts` [n, 2] int32: pixels in x and y.
    """

    coefficients: Tensor
    shifts: Tensor


def draw(
    count: int,
    *,
    side: int,
    rotation_degrees: float,
    translation: float,
    generator: torch.Generator,
) -> Transforms:
    """Draw `count` transforms as torchvision's recipe would.

    Angles are uniform in ±`rotation_degrees`; shifts are uniform in ±`translation`·`side` pixels,
    rounded to whole pixels.
    """
    draws = uniform(count, 3, dtype=torch.float64, generator=generator)
    angles = draws[:, 0] * rotation_degrees
    shifts = (draws[:, 1:] * (translation * side)).round().to(torch.int32)
    return from_angles(angles, shifts, side=side)


def from_angles(angles_degrees: Tensor, shifts: Tensor, *, side: int) -> Transforms:
    """Build transforms from angles [n] float64, counter-clockwise, and shifts [n, 2] int32."""
    # Image.rotate of Pillow: the inverse map, about the centre, coefficients rounded to 15 digits.
    radians = -angles_degrees.remainder(360.0) * (math.pi / 180.0)
    a = radians.cos().round(decimals=15)
    b = radians.sin().round(decimals=15)
    d, e = (-radians.sin()).round(decimals=15), a
    centre = side / 2.0
    c = a * -centre + b * -centre + centre
    f = d * -centre + e * -centre + centre
    # affine_fixed of Pillow's Geometry.c: sample at pixel centres, round to 1/65536.
    matrix = torch.stack([a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5], dim=1)
    fixed = (matrix * (1 << _FIXED_POINT_BITS) + 0.5).floor().to(torch.int32)
    return Transforms(fixed, shifts)


def draw_flips(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw whether each image is mirrored, [count] bool: every second one on average."""
    return torch.rand(count, generator=generator) < 0.5


def flip(images: Tensor, flips: Tensor) -> Tensor:
    """Mirror those of the images [n, c, s, s] for which `flips` [n] is true, left to right."""
    return torch.where(flips.view(-1, 1, 1, 1), images.flip(3), images)


def apply(images: Tensor, transforms: Transforms) -> Tensor:
    """Rotate, then shift images [n, c, s, s] uint8; what comes from outside is 0."""
    n, channels, side, _ = images.shape
    pixels = torch.arange(side, dtype=torch.int32, device=images.device)
    # Position in the rotated image that each output column (row) shows, if it lies inside.
    position = pixels - transforms.shifts.unsqueeze(2)  # [n, 2, s]
    inside = (position >= 0) & (position < side)
    column, row = position.unbind(1)
    column_inside, row_inside = inside.unbind(1)
    a, b, c, d, e, f = (value.unsqueeze(1) for value in transforms.coefficients.unbind(1))

    def source(along_x: Tensor, along_y: Tensor) -> Tensor:
        """Return source positions [n, s, s], moved by one and clamped into a border of zeros."""
        fixed = along_y.unsqueeze(2) + along_x.unsqueeze(1)
        return (fixed >> _FIXED_POINT_BITS).add_(1).clamp_(0, side + 1)

    # A column (row) that shows nothing of the rotated image is sent to the border.
    x = source((a * column).masked_fill_(~column_inside, _OUTSIDE), b * row + c)
    y = source(d * column, (e * row + f).masked_fill_(~row_inside, _OUTSIDE))
    index = y.mul_(side + 2).add_(x).long().view(n, 1, side * side)
    padded = F.pad(images, (1, 1, 1, 1)).view(n, channels, -1)
    return padded.gather(2, index.expand(n, channels, -1)).view_as(images)
