"""Elastic distortion: a smooth random field displaces the pixels of every image differently.

The points of a coarse grid are displaced at random, and cubic interpolation displaces the pixels
between them (Ronneberger et al. 2015, section 3.1; that such fields help on handwriting is Simard
et al. 2003's).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_core.runtime.randomness import uniform

POINTS = 5
"""Of the coarse grid, along each side: distortions are about a quarter of the image wide."""


def draw(count: int, *, elastic: float, generator: torch.Generator) -> Tensor:
    """Draw the displacements [n, 2, POINTS, POINTS] float32 of the grid points, in x and y.

    They are uniform in ±`elastic` sides of the image, and in `F.affine_grid`'s coordinates, in
    which a side is 2.
    """
    return uniform(count, 2, POINTS, POINTS, generator=generator).mul_(2.0 * elastic)


def displacements(points: Tensor, *, size: Sequence[int]) -> Tensor:
    """Return the displacement of every pixel [n, h, w, 2] float32; `size` is (h, w)."""
    fields = F.interpolate(points, size=list(size), mode="bicubic", align_corners=True)
    return fields.permute(0, 2, 3, 1)
