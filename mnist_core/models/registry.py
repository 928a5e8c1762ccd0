"""The registry of networks: the baseline, and variants of it, each an `Architecture` with a name.

Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_core.errors import require_known
from mnist_core.models.architecture import POOL, Architecture


@dataclass(frozen=True)
class NetworkSpec:
    """One named network."""

    architecture: Architecture
    reason: str
    """What it is for."""


NETWORKS: dict[str, NetworkSpec] = {
    "baseline": NetworkSpec(
        Architecture(layers=(16, 32, POOL, 40, POOL, "1x1:24")),
        "the network of the original README, from which this project started",
    ),
    "dropout": NetworkSpec(
        Architecture(layers=(16, 32, POOL, 40, POOL, "1x1:24"), dropout=0.25),
        "the baseline with a quarter of its last features dropped in training",
    ),
    "batch-norm": NetworkSpec(
        Architecture(layers=(16, 32, POOL, 40, POOL, "1x1:23"), normalisation="batch"),
        "the baseline, normalised; one channel less in the last convolution pays for it",
    ),
    "deep": NetworkSpec(
        Architecture(
            layers=(12, 12, POOL, 24, 24, POOL, 32, "1x1:32"),
            padding=True,
            normalisation="batch",
            head="mean",
        ),
        "six convolutions that keep the image's size, and means of the last feature maps in the "
        "place of the baseline's wide last layer",
    ),
}


def network_spec(name: str) -> NetworkSpec:
    """Return a network's entry; an unknown name is a `UserError` that names the known ones."""
    require_known("network", name, NETWORKS)
    return NETWORKS[name]


def architecture(name: str, options: Mapping[str, Any]) -> Architecture:
    """Return a named network's architecture, with some of its fields changed."""
    return network_spec(name).architecture.with_options(options)
