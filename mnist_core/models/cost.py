"""What each layer of a network costs: parameters, activations and FLOPs."""

from dataclasses import dataclass

import torch
from torch import nn

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


@torch.no_grad()
def layer_costs(model: Network) -> list[LayerCost]:
    """Return the cost of each layer with parameters, for one view of an image, in order."""
    costs: list[LayerCost] = []
    was_training = model.training
    model.eval()
    output = torch.zeros(1, *model.input_shape, device=next(model.parameters()).device)
    for name, layer in model.named_children():
        output = layer(output)
        parameters = parameter_count(layer)
        if parameters:
            multiplies = isinstance(layer, nn.Conv2d | nn.Linear)
            positions = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
            weights = layer.get_parameter("weight").numel() if multiplies else 0
            costs.append(
                LayerCost(
                    name=name,
                    kind=type(layer).__name__,
                    output_shape=tuple(output.shape[1:]),
                    parameters=parameters,
                    activations=output.numel(),
                    forward_flops=2 * weights * positions,
                )
            )
    model.train(was_training)
    return costs


def training_flops(costs: list[LayerCost]) -> int:
    """Return the FLOPs of one image's forward and backward pass.

    Backward costs twice forward, except in the first layer, whose input needs no gradient.
    """
    first, *rest = costs
    return 2 * first.forward_flops + 3 * sum(cost.forward_flops for cost in rest)
