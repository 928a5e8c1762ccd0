"""Configuration -> network, as a run begins with it."""

import torch

from mnist_core.config import TrainConfig
from mnist_core.models.network import Network, build_network


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
