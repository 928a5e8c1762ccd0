"""What each layer of a network costs: parameters, activations and FLOPs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mnist_core.models.network import Network


def parameter_count(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one layer costs for one view of an image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    activations: int
    """Numbers in the output, before pooling."""
    forward_flops: int
    """2 × multiply-adds of convolutions and fully connected layers; nothing else is counted."""


def layer_costs(model: Network) -> list[LayerCost]:
    """Return the cost of each layer with parameters, for one view of an image, in order."""
    costs: list[LayerCost] = []

    def record(name: str, layer: nn.Module, output: Tensor) -> None:
        multiplies = isinstance(layer, nn.Conv2d | nn.Linear)
        positions = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
        weights = layer.get_parameter("weight").numel() if multiplies else 0
        costs.append(
            LayerCost(
                name=name,
                kind=type(layer).__name__,
                output_shape=tuple(output.shape[1:]),
                parameters=parameter_count(layer),
                activations=output[0].numel(),
                forward_flops=2 * weights * positions,
            )
        )

    handles = [
        layer.register_forward_hook(
            lambda layer, _inputs, output, name=name: record(name, layer, output)
        )
        for name, layer in model.named_children()
        if parameter_count(layer)
    ]
    was_training = model.training
    try:
        device = next(model.parameters()).device
        with torch.no_grad():
            model.eval()(torch.zeros(1, *model.input_shape, device=device))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return costs


def training_flops(costs: list[LayerCost]) -> int:
    """Return the FLOPs of one image's forward and backward pass.

    Backward costs twice forward, except in the first layer, whose input needs no gradient.
    """
    first, *rest = costs
    return 2 * first.forward_flops + 3 * sum(cost.forward_flops for cost in rest)
