"""The training step: the only place of backward() in this repository.

The command line, the studies and the benchmarks all train through `training_step`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.config import TrainConfig
from mnist_core.optim.schedules import multiplier


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Take one step on images [n, c, h, w] float32 and labels [n] int64.

    Return the mean negative log-likelihood before the step, of the smoothed labels where they are
    smoothed, a detached scalar on the device.
    """
    optimizer.zero_grad(set_to_none=True)
    log_probabilities = model(images)
    loss = F.nll_loss(log_probabilities, labels)
    if label_smoothing:
        loss = torch.lerp(loss, -log_probabilities.mean(), label_smoothing)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def learning_rates(config: TrainConfig, *, epoch: int, steps: int) -> list[float]:
    """Return the learning rate of each of the steps of an epoch, which is counted from 1."""
    done, all_steps = (epoch - 1) * steps, config.epochs * steps
    return [
        config.learning_rate * multiplier(config.schedule, (done + step) / all_steps)
        for step in range(steps)
    ]


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float | Tensor) -> None:
    """Set the learning rate of all parameter groups: where it is a tensor, within it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].copy_(torch.as_tensor(learning_rate))
        else:
            group["lr"] = float(learning_rate)
