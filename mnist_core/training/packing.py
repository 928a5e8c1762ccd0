"""Nested values -> JSON and named tensors, and back: what a user's optimizer may remember.

Tensors, numbers, texts, true, false and none, in lists, tuples and mappings of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mnist_core.errors import OptimizerError


def pack(value: object, *, place: str, tensors: dict[str, Tensor]) -> Any:
    """Return a JSON-ready form of `value`, its tensors copied into `tensors` under their places.

    Raises `OptimizerError` naming the place of what cannot be saved.
    """
    if isinstance(value, Tensor) and value.layout is torch.strided and not value.is_complex():
        tensors[place] = value.detach().to("cpu", copy=True).contiguous()
        # Sums follow the order of memory: restored, a tensor must lie as it did.
        stride = list(torch.empty_like(value).stride())
        return {"tensor": [place, value.device.type, stride]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        assert isinstance(value, list | tuple)
        items = [
            pack(item, place=f"{place}.{index}", tensors=tensors)
            for index, item in enumerate(value)
        ]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {
            "mapping": {
                key: pack(item, place=f"{place}.{key}", tensors=tensors)
                for key, item in value.items()
            }
        }
    raise OptimizerError(
        f"the optimizer's state cannot be saved: {place} is of type {type(value).__name__}; keep "
        "tensors, numbers, texts, and lists, tuples and mappings of them"
    )


def unpack(packed: Any, *, tensors: Mapping[str, Tensor]) -> Any:
    """Return what `pack` was given."""
    if isinstance(packed, list):
        return [unpack(item, tensors=tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        place, device, stride = content
        saved = tensors[place]
        found = torch.empty_strided(saved.shape, stride, dtype=saved.dtype, device=device)
        return found.copy_(saved)
    if kind == "tuple":
        return tuple(unpack(item, tensors=tensors) for item in content)
    return {key: unpack(item, tensors=tensors) for key, item in content.items()}
