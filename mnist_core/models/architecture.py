"""Architecture: a network as a value, without torch.

It says which convolutions follow each other, and how they are normalised, pooled and activated.
It knows its parameters and FLOPs without building anything, so that a search can respect a limit;
`mnist_core.models.network` builds it.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from mnist_core.data.spec import MNIST_CLASSES, MNIST_SHAPE, Shape
from mnist_core.errors import UserError, require_fields, require_known

POOL = "pool"
CHOICES = {
    "normalisation": ("none", "batch"),
    "pooling": ("max", "average", "stride"),
    "activation": ("relu", "leaky-relu", "silu", "gelu"),
    "head": ("flatten", "mean"),
}
VIEWS = (1, 5, 9)


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution of an architecture, and what it meets."""

    kernel: int
    in_channels: int
    out_channels: int
    stride: int
    in_size: tuple[int, int]
    """Height and width."""
    padding: int
    is_pooled: bool
    """Whether a pooling of 2×2 follows."""

    @property
    def out_size(self) -> tuple[int, int]:
        """Return the output's height and width, before pooling."""
        height, width = (
            (side + 2 * self.padding - self.kernel) // self.stride + 1 for side in self.in_size
        )
        return height, width

    @property
    def weights(self) -> int:
        """Return the number of weights, without bias."""
        return self.kernel**2 * self.in_channels * self.out_channels


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Convolutions, then one fully connected layer. A wrong value raises `UserError`."""

    layers: tuple[int | str, ...]
    """In order: `16` is a 3×3 convolution of 16 channels, `"1x1:24"` one of another size, and
    `"pool"` halves height and width after the convolution before it."""
    padding: bool = False
    """Whether convolutions keep height and width."""
    normalisation: str = "none"
    """Of every convolution's output; with `batch` the convolutions have no bias of their own."""
    dropout: float = 0.0
    """Chance of a feature to be dropped before the fully connected layer, in training."""
    pooling: str = "max"
    """`stride` is a step of 2 of the convolution before, in the place of pooling."""
    activation: str = "relu"
    """After pooling, where there is a quarter of the work: for ReLU after max-pooling the same
    function."""
    head: str = "flatten"
    """What the fully connected layer sees: all of the last feature maps, or their means."""
    views: int = 1
    """Over how many views of an image the class probabilities are averaged in evaluation
    (test-time augmentation): 5 are itself and moved by a pixel to each side, 9 to each corner too.
    Training sees one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        for name, known in CHOICES.items():
            require_known(name, str(getattr(self, name)), known)
        if not isinstance(self.padding, bool):
            raise UserError(f"padding must be true or false, got {self.padding!r}")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float):
            raise UserError(f"dropout must be a number, got {self.dropout!r}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be in [0, 1), got {self.dropout!r}")
        if isinstance(self.views, bool) or self.views not in VIEWS:
            raise UserError(
                f"views must be one of {', '.join(map(str, VIEWS))}, got {self.views!r}"
            )
        kinds = [_kernel_and_channels(layer) for layer in self.layers]
        if not kinds or kinds[0] is None:
            raise UserError(f"layers must begin with a convolution, got {list(self.layers)}")
        if any(one is None and two is None for one, two in itertools.pairwise(kinds)):
            raise UserError(
                f"layers must have a convolution between two {POOL!r}, got {list(self.layers)}"
            )

    def shifts(self) -> list[tuple[int, int]]:
        """Return how far each view is moved, in pixels down and to the right."""
        steps = (-1, 0, 1)
        distance = VIEWS.index(self.views)
        return [
            (down, right)
            for down, right in itertools.product(steps, steps)
            if abs(down) + abs(right) <= distance
        ]

    def convolutions(self, shape: Shape) -> Iterator[Convolution]:
        """Yield the convolutions for images of `shape`; a `UserError` where nothing is left."""
        channels, size = shape[0], shape[1:]
        for place, layer in enumerate(self.layers):
            kind = _kernel_and_channels(layer)
            if kind is None:
                continue
            kernel, out_channels = kind
            is_halved = self.layers[place + 1 : place + 2] == (POOL,)
            convolution = Convolution(
                kernel=kernel,
                in_channels=channels,
                out_channels=out_channels,
                stride=2 if is_halved and self.pooling == "stride" else 1,
                in_size=size,
                padding=kernel // 2 if self.padding else 0,
                is_pooled=is_halved and self.pooling != "stride",
            )
            yield convolution
            channels, size = out_channels, convolution.out_size
            if convolution.is_pooled:
                size = (size[0] // 2, size[1] // 2)
            if min(size) < 1:
                raise UserError(
                    f"layers must leave something of images of {shape[1]}×{shape[2]}, got "
                    f"{list(self.layers)}, with which nothing is left after layer {place + 1}"
                )

    def features(self, shape: Shape) -> int:
        """Return how many numbers the fully connected layer sees."""
        *_, last = self.convolutions(shape)
        divisor = 2 if last.is_pooled else 1
        positions = math.prod(side // divisor for side in last.out_size)
        return last.out_channels * (1 if self.head == "mean" else positions)

    def parameters(self, shape: Shape = MNIST_SHAPE, classes: int = MNIST_CLASSES) -> int:
        """Return the number of trainable parameters."""
        per_channel = 2 if self.normalisation == "batch" else 1
        return sum(
            convolution.weights + per_channel * convolution.out_channels
            for convolution in self.convolutions(shape)
        ) + classes * (self.features(shape) + 1)

    def forward_flops(self, shape: Shape = MNIST_SHAPE, classes: int = MNIST_CLASSES) -> int:
        """Return 2 × the multiply-adds of convolutions and fully connected layer, for a view of
        an image."""
        convolutions = sum(
            convolution.weights * math.prod(convolution.out_size)
            for convolution in self.convolutions(shape)
        )
        return 2 * (convolutions + classes * self.features(shape))

    def evaluation_flops(self, shape: Shape = MNIST_SHAPE, classes: int = MNIST_CLASSES) -> int:
        """Return the FLOPs of an image in evaluation: the forward ones of all its views."""
        return self.views * self.forward_flops(shape, classes)

    def text(self) -> str:
        """Return everything that it is in one line; what it says nothing of is not there."""
        return ", ".join(
            [
                "-".join(map(str, self.layers)),
                *(["padded"] if self.padding else []),
                self.activation,
                *([f"{self.normalisation} normalisation"] if self.normalisation != "none" else []),
                f"{self.pooling} pooling",
                f"head {self.head}",
                *([f"dropout {self.dropout:.2g}"] if self.dropout else []),
                *([f"{self.views} views"] if self.views > 1 else []),
            ]
        )

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """Return the architecture with some of its fields changed; an unknown one is a
        `UserError`."""
        require_fields(type(self), options, kind="network option")
        return replace(self, **options)


def _kernel_and_channels(layer: int | str) -> tuple[int, int] | None:
    """Return a convolution's kernel size and channels; None for pooling."""
    if layer == POOL:
        return None
    if isinstance(layer, int) and not isinstance(layer, bool) and layer >= 1:
        return 3, layer
    found = re.fullmatch(r"(\d+)x\1:(\d+)", layer) if isinstance(layer, str) else None
    if found and int(found[1]) % 2 and int(found[2]) >= 1:
        return int(found[1]), int(found[2])
    raise UserError(
        "a layer must be a number of channels >= 1, 'pool', or a convolution of an odd size such "
        f"as '5x5:16', got {layer!r}"
    )
