"""Random affine augmentation, bilinear: rotation, scale, shear and shift at once.

The baseline augmentation (`mnist_core.data.augment.nearest`) takes the nearest pixel and has
rotation and shift alone. This one is what torchvision's `RandomAffine(degrees, translate, scale,
shear)` does on tensors with `InterpolationMode.BILINEAR`, with an angle of its own for every image
of a batch (a test holds it), except that shifts are not rounded to whole pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_core.runtime.randomness import uniform


def draw(
    count: int,
    *,
    rotation_degrees: float,
    translation: float,
    scaling: float,
    shear_degrees: float,
    generator: torch.Generator,
) -> Tensor:
    """Draw the inverse maps [n, 2, 3] float32 of `count` transforms, each uniform in its range.

    They are in `F.affine_grid`'s coordinates, in which an image's side is 2.
    """
    draws = uniform(count, 5, dtype=torch.float64, generator=generator)
    angle = draws[:, 0] * math.radians(rotation_degrees)
    shear = draws[:, 1] * math.radians(shear_degrees)
    scale = 1.0 + scaling * draws[:, 2]
    shift = 2.0 * translation * draws[:, 3:]
    return inverse_maps(angle, shear=shear, scale=scale, shift=shift)


def inverse_maps(angle: Tensor, *, shear: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the maps [n, 2, 3] float32 from the places of the new image to those of the old one.

    `angle` and `shear` [n] are in radians, angles clockwise on the screen; `scale` [n]; `shift`
    [n, 2] in x and y, 2 being the image's side. The transform shears, rotates, scales and then
    shifts (torchvision's `_get_inverse_affine_matrix`, with its shear along x).
    """
    cos, sin, tan = angle.cos(), angle.sin(), shear.tan()
    # rotation · shear = [[cos, -cos·tan - sin], [sin, -sin·tan + cos]], of determinant 1
    rows = [
        torch.stack([cos - sin * tan, sin + cos * tan], dim=1),
        torch.stack([-sin, cos], dim=1),
    ]
    linear = torch.stack(rows, dim=1) / scale[:, None, None]
    offset = -linear @ shift.unsqueeze(2)
    return torch.cat([linear, offset], dim=2).to(torch.float32)


def apply(images: Tensor, maps: Tensor, *, displacements: Tensor | None = None) -> Tensor:
    """Return images [n, c, h, w] float32 in [0, 255] of images uint8; outside of them is 0.

    `displacements` [n, h, w, 2] are added to where the maps find a pixel.
    """
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    if displacements is not None:
        grid = grid + displacements
    pixels = images.to(torch.float32)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
