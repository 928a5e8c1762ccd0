"""An exponential moving average (EMA) of a network's weights."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

N = TypeVar("N", bound=nn.Module)


class WeightAverage(Generic[N]):
    """An exponential moving average of a network's weights and buffers, step by step.

    It does what torch's `AveragedModel` with `get_ema_multi_avg_fn` and `use_buffers` does, but
    without a counter on the device, which the host would read at every step. Counts are copied.
    """

    def __init__(self, network: N, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self.is_empty = True
        """Whether the next update copies rather than averages."""
        self._average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self, network: N) -> None:
        """Move the average towards a network."""
        averaged: list[tuple[Tensor, Tensor]] = []
        values = zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        )
        for mine, theirs in values:
            if self.is_empty or not mine.is_floating_point():
                mine.copy_(theirs)
            else:
                averaged.append((mine, theirs))
        if averaged:
            mine_all, theirs_all = map(list, zip(*averaged, strict=True))
            self._average(mine_all, theirs_all, None)
        self.is_empty = False
