"""The seed's network, and what each of its layers costs.

`Net` is the seed's, parameter for parameter: 23,354 of them. It pools before it rectifies, which
is the same function and the same gradient bit for bit (ReLU is monotone, so the largest of a
window stays the largest) at a quarter of ReLU's work. `describe` counts parameters, activations
and FLOPs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.randomness import derive_seed

INPUT_SHAPE = (1, 28, 28)
CLASSES = 10


class Net(nn.Module):
    """Map images [n, 1, 28, 28] float32 to log-probabilities [n, 10] (seed.md, section 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3)  # 28×28 -> 26×26
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3)  # 26×26 -> 24×24, pooled to 12×12
        self.conv3 = nn.Conv2d(32, 40, kernel_size=3)  # 12×12 -> 10×10, pooled to 5×5
        self.conv4 = nn.Conv2d(40, 24, kernel_size=1)  # 5×5 -> 5×5
        self.fc1 = nn.Linear(24 * 5 * 5, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities [n, 10] of images [n, 1, 28, 28]."""
        x = F.relu(self.conv1(images))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(F.max_pool2d(self.conv3(x), 2))
        x = F.relu(self.conv4(x))
        return F.log_softmax(self.fc1(x.flatten(1)), dim=1)


def build(*, seed: int, device: torch.device) -> Net:
    """Build the network, initialised by torch's defaults from `seed`, in channels-last memory.

    The initialisers read torch's global generator; it is seeded inside a fork and restored after.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initialisation"))
        model = Net()
    return model.to(memory_format=torch.channels_last).to(device)


def parameter_count(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of all weights: names, shapes, types and bytes, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one layer costs for one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    activations: int
    """Numbers in the output, before pooling."""
    forward_flops: int
    """2 × multiply-adds (bias, ReLU and pooling are not counted)."""


def describe(model: nn.Module) -> list[LayerCost]:
    """Return the cost of each layer with parameters, for one image, in order of execution."""
    costs: list[LayerCost] = []

    def record(name: str, layer: nn.Module, output: Tensor) -> None:
        weight = layer.get_parameter("weight")
        positions = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
        costs.append(
            LayerCost(
                name=name,
                kind=type(layer).__name__,
                output_shape=tuple(output.shape[1:]),
                parameters=parameter_count(layer),
                activations=output[0].numel(),
                forward_flops=2 * weight.numel() * positions,
            )
        )

    handles = [
        layer.register_forward_hook(
            lambda layer, _inputs, output, name=name: record(name, layer, output)
        )
        for name, layer in model.named_children()
        if parameter_count(layer)
    ]
    try:
        device = next(model.parameters()).device
        with torch.no_grad():
            model(torch.zeros(1, *INPUT_SHAPE, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return costs


def training_flops(costs: list[LayerCost]) -> int:
    """Return the FLOPs of one image's forward and backward pass.

    Backward costs twice forward, except in the first layer, whose input needs no gradient.
    """
    first, *rest = costs
    return 2 * first.forward_flops + 3 * sum(cost.forward_flops for cost in rest)
