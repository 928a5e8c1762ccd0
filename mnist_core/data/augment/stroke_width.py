"""Strokes made thicker or thinner: grey-scale dilation and erosion by a random share.

People's pens differ in width as much as their hands do in slant, and no affine map changes the
width of a line and leaves its length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_core.runtime.randomness import uniform


def draw(count: int, *, stroke: float, generator: torch.Generator) -> Tensor:
    """Draw by how much each image's lines grow, [n] float32, uniform in ±`stroke`."""
    return uniform(count, generator=generator).mul_(stroke)


def apply(images: Tensor, shares: Tensor) -> Tensor:
    """Return images [n, c, h, w] float32 whose pixels went their image's share of the way to the
    largest (where it is negative, to the smallest) of the nine around them."""
    pixels = images.to(torch.float32)
    widest = F.max_pool2d(pixels, kernel_size=3, stride=1, padding=1)
    narrowest = -F.max_pool2d(-pixels, kernel_size=3, stride=1, padding=1)
    share = shares.view(-1, 1, 1, 1)
    goal = torch.where(share > 0, widest, narrowest)
    return torch.lerp(pixels, goal, share.abs())
