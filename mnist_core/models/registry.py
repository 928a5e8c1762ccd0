"""The registry of networks: the baseline, and variants of it, each an `Architecture` with a name.

Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_core.errors import unknown_name
from mnist_core.models.architecture import POOL, Architecture


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """One named network."""

    name: str
    label: str
    architecture: Architecture
    reason: str
    """What it is for."""


_SPECS = (
    NetworkSpec(
        name="baseline",
        label="baseline",
        architecture=Architecture(layers=(16, 32, POOL, 40, POOL, "1x1:24")),
        reason="the network of the original README, from which this project started",
    ),
    NetworkSpec(
        name="dropout",
        label="baseline + dropout",
        architecture=Architecture(layers=(16, 32, POOL, 40, POOL, "1x1:24"), dropout=0.25),
        reason="the baseline with a quarter of its last features dropped in training",
    ),
    NetworkSpec(
        name="batch-norm",
        label="baseline + batch norm",
        architecture=Architecture(
            layers=(16, 32, POOL, 40, POOL, "1x1:23"), normalisation="batch"
        ),
        reason="the baseline, normalised; one channel less in the last convolution pays for it",
    ),
    NetworkSpec(
        name="deep",
        label="deeper",
        architecture=Architecture(
            layers=(12, 12, POOL, 24, 24, POOL, 32, "1x1:32"),
            padding=True,
            normalisation="batch",
            head="mean",
        ),
        reason="six convolutions that keep the image's size, and means of the last feature maps "
        "in the place of the baseline's wide last layer",
    ),
)
NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in _SPECS}


def network_spec(name: str) -> NetworkSpec:
    """Return a network's entry; an unknown name is a `UserError` that names the known ones."""
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    return NETWORKS[name]


def architecture(name: str, options: Mapping[str, Any]) -> Architecture:
    """Return a named network's architecture, with some of its fields changed."""
    return network_spec(name).architecture.with_options(options)
