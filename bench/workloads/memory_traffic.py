"""Bytes that a call moves, counted operator by operator as eager mode runs them.

Each operator is charged for every tensor that it reads and every tensor that it writes; views move
nothing. Caches make the true traffic of the main memory smaller and fusion moves less, so an
arithmetic intensity from this count is a lower bound: a row that it puts under the compute ceiling
would be there with the true count too.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func not in _FREE:
            read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            written = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            if not written:  # fused and foreach operators write their arguments and return none
                written = [
                    leaf
                    for argument, value in zip(func._schema.arguments, args, strict=False)
                    if argument.alias_info is not None and argument.alias_info.is_write
                    # Fused optimizers write the gradients for a gradient scaler alone.
                    if argument.name != "grads"
                    for leaf in tree_leaves(value)
                    if isinstance(leaf, Tensor)
                ]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in read + written)
        return result


# They allocate or answer without touching the contents.
_FREE = {
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.empty_like.default,
    torch.ops.aten.empty_strided.default,
    torch.ops.aten.detach.default,
}


def count_bytes(call: Callable[[], object]) -> int:
    """Run `call` once and return the bytes that its operators read and wrote."""
    with _Count() as count:
        call()
    return int(count.bytes)
