"""Networks built from their architecture, and the digest of their weights.

The baseline has its 23,354 parameters, under the names of the original README. Pooling comes
before ReLU, which is the same function and the same gradient bit for bit (ReLU is monotone, so the
largest of a window stays the largest) at a quarter of ReLU's work.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from mnist_core.data.spec import MNIST_CLASSES, MNIST_SHAPE, Shape
from mnist_core.models.architecture import Architecture
from mnist_core.models.registry import NETWORKS
from mnist_core.runtime.randomness import derive_seed

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place where the gradient needs the output alone: no second tensor to find room for. What a
    # forward hook keeps of the layer before is then what comes out of this one.
    "relu": partial(nn.ReLU, inplace=True),
    "leaky-relu": partial(nn.LeakyReLU, inplace=True),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}
_POOLINGS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class Network(nn.Sequential):
    """Map images [n, c, h, w] float32 to log-probabilities [n, classes]."""

    def __init__(self, architecture: Architecture, *, input_shape: Shape, classes: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        convolutions = architecture.convolutions(input_shape)
        for number, convolution in enumerate(convolutions, start=1):
            layers[f"conv{number}"] = nn.Conv2d(
                convolution.in_channels,
                convolution.out_channels,
                kernel_size=convolution.kernel,
                stride=convolution.stride,
                padding=convolution.padding,
                bias=architecture.normalisation == "none",
            )
            if architecture.normalisation == "batch":
                layers[f"norm{number}"] = nn.BatchNorm2d(convolution.out_channels)
            if convolution.is_pooled:
                layers[f"pool{number}"] = _POOLINGS[architecture.pooling](2)
            layers[f"{architecture.activation}{number}"] = _ACTIVATIONS[architecture.activation]()
        if architecture.head == "mean":
            layers["mean"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        if architecture.dropout:
            layers["dropout"] = nn.Dropout(architecture.dropout)
        layers["fc1"] = nn.Linear(architecture.features(input_shape), classes)
        layers["log_softmax"] = nn.LogSoftmax(dim=1)
        super().__init__(layers)
        self.input_shape = input_shape
        self.classes = classes
        self.views = architecture.views
        if self.views > 1:
            height, width = input_shape[1:]
            pixels = torch.arange(height * width).view(height, width)
            sources = [
                pixels[_from(height, down)][:, _from(width, right)].flatten()
                for down, right in architecture.shifts()
            ]
            self.register_buffer("view_pixels", torch.stack(sources), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities [n, classes]; in evaluation, of the mean over the views."""
        if self.training or self.views == 1:
            return self._one_view(images)
        # [n, c, views, h·w]: every view is a choice of the image's pixels
        views = images.flatten(2)[:, :, self.get_buffer("view_pixels")]
        stacked = views.permute(2, 0, 1, 3).reshape(-1, *self.input_shape)
        outputs = self._one_view(stacked.contiguous(memory_format=torch.channels_last))
        by_view = outputs.view(self.views, -1, self.classes)
        return by_view.logsumexp(dim=0) - math.log(self.views)

    def _one_view(self, images: Tensor) -> Tensor:
        for layer in self:
            images = layer(images)
        return images


def _from(side: int, shift: int) -> Tensor:
    """Return which row (column) each of a moved image shows; its border is repeated."""
    return (torch.arange(side) - shift).clamp(0, side - 1)


class Bfloat16(nn.Module):
    """Run a network's forward pass in bfloat16 where torch deems it safe; weights stay float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities [n, classes] float32."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            output: Tensor = self.network(images)
        return output.float()


def build_network(
    architecture: Architecture = NETWORKS["baseline"].architecture,
    *,
    seed: int,
    device: torch.device,
    input_shape: Shape = MNIST_SHAPE,
    classes: int = MNIST_CLASSES,
) -> Network:
    """Build a network, initialised by torch's defaults from `seed`, in channels-last memory.

    The initialisers read torch's global generator; it is seeded inside a fork and restored after.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initialisation"))
        network = Network(architecture, input_shape=input_shape, classes=classes)
    return network.to(memory_format=torch.channels_last).to(device)


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of all weights: names, shapes, types and bytes, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
