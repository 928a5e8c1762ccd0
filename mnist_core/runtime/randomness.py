"""Randomness by purpose: one seed gives independent, named generators.

`generator(seed, "order", epoch)` depends on nothing but its arguments, so that resuming at an
epoch needs no saved state, and changing the augmentation cannot change the order of the images.
Draws happen on the CPU, whatever device trains, and are therefore the same on all of them.
"""

import hashlib

import torch
from torch import Tensor


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for a purpose: the head of SHA-256 over the seed and the words."""
    words = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a fresh CPU generator for a purpose."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


def uniform(*shape: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw numbers uniform in [-1, 1)."""
    return torch.rand(*shape, dtype=dtype, generator=generator).mul_(2.0).sub_(1.0)
