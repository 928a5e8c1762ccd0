"""Configuration -> network and optimizer, as a run begins with them."""

from __future__ import annotations

import torch
from torch import nn

from mnist_core.config import TrainConfig
from mnist_core.models.network import Network, build_network
from mnist_core.optim.registry import build_optimizer


def network(config: TrainConfig, *, device: torch.device) -> Network:
    """Build the network for the images and classes of the configuration's data set."""
    spec = config.dataset_spec
    return build_network(
        config.architecture(),
        seed=config.seed,
        device=device,
        input_shape=spec.shape,
        classes=len(spec.classes),
    )


def optimizer(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer over a network; what its constructor refuses is an `OptimizerError`."""
    return build_optimizer(
        config.optimizer,
        network.parameters(),
        learning_rate=config.learning_rate,
        options=config.optimizer_options,
    )
