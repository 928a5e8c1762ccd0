"""Families of architectures: what is searched in each, and the layers that follow from it.

A searched architecture has three stages, each ending with a halving of the image: 3×3
convolutions that keep its size, `width` channels in the first stage and twice as many in the
others (about the baseline's 16, 32, 40). `depth` convolutions are dealt out evenly, the first
stages first.

The width is not drawn. A proposal draws a share of the limit in [1/2, 1), and its width is the
largest that stays within it. So no proposal is refused for being too wide. Every choice of depth,
pooling, activation and head keeps its equal chance, whatever it costs, unless not even the
narrowest fits. All searched widths spend half to all of the limit, which makes the accuracies of
families comparable.
"""

import bisect
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mnist_core.config import Option
from mnist_core.data.spec import MNIST_CLASSES, MNIST_SHAPE, Shape
from mnist_core.models.architecture import CHOICES, POOL, Architecture
from mnist_core.models.registry import NETWORKS
from study.plans.space import LEARNING_RATE, Dimension, SearchSpace, registry_space

FAMILIES = ("baseline", "dropout", "batch-norm", "deep")
"""Each stands beside the network of the same name."""
WIDTHS = (4, 64)
SMALLEST_SHARE = 0.5
_STAGES = 3
_WIDTH, _DEPTH = "width", "depth"
_LABELS = {
    "baseline": "Baseline layers",
    "dropout": "Dropout",
    "batch-norm": "Batch normalisation",
    "deep": "Deeper",
}
_REASONS = {
    "baseline": "the baseline's own layers, for which the learning rate alone is searched",
    "dropout": "three to five convolutions without normalisation, and dropout before the last "
    "layer",
    "batch-norm": "the same, normalised, without dropout",
    "deep": "six to nine convolutions, which need normalisation to train at all, with or without "
    "dropout",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an architecture may cost, for images of a shape and a number of classes."""

    parameters: int
    forward_flops: int = 0
    """For one image; 0: no limit."""
    shape: Shape = MNIST_SHAPE
    classes: int = MNIST_CLASSES

    def parameters_of(self, architecture: Architecture) -> int:
        """Return an architecture's number of parameters."""
        return architecture.parameters(self.shape, self.classes)

    def forward_flops_of(self, architecture: Architecture) -> int:
        """Return the FLOPs of an architecture's forward pass, for one image."""
        return architecture.forward_flops(self.shape, self.classes)

    def hold(self, architecture: Architecture, *, share: float = 1.0) -> bool:
        """Tell whether an architecture uses at most a share of each limit."""
        if self.parameters_of(architecture) > share * self.parameters:
            return False
        flops = self.forward_flops
        return not flops or self.forward_flops_of(architecture) <= share * flops


def family_space(name: str, *, optimizer: str) -> SearchSpace:
    """Return what is searched in a family, trained by one of the registry's optimizers."""
    rate = registry_space(optimizer)
    rate = replace(rate, name=name, label=_LABELS[name], reason=_REASONS[name])
    if name == "baseline":
        return rate
    depth = (6, 9) if name == "deep" else (3, 5)
    dimensions = [
        *rate.dimensions,
        Dimension(name=_WIDTH, low=WIDTHS[0], high=WIDTHS[1], integer=True),
        Dimension(name=_DEPTH, low=depth[0], high=depth[1], integer=True),
        *(
            Dimension(name=choice, choices=CHOICES[choice])
            for choice in ("pooling", "activation", "head")
        ),
    ]
    fixed: dict[str, Option] = {"normalisation": "batch", "padding": True}
    if name == "dropout":
        dimensions.append(Dimension(name="dropout", low=0.05, high=0.5))
        fixed["normalisation"] = "none"
    elif name == "deep":
        dimensions.append(Dimension(name="dropout", choices=(0.0, 0.1, 0.25)))
    else:
        fixed["dropout"] = 0.0
    return replace(rate, dimensions=tuple(dimensions), fixed=fixed)


def network_options(values: Mapping[str, Option]) -> dict[str, Option]:
    """Return the whole architecture that follows from a family's fixed and searched values, as
    options of its network; nothing where the network is the family's own."""
    if _WIDTH not in values:
        return {}
    rest = dict(values)
    width, depth = rest.pop(_WIDTH), rest.pop(_DEPTH)
    rest.pop(LEARNING_RATE, None)
    assert isinstance(width, int)
    assert isinstance(depth, int)
    layers: list[int | str] = []
    for stage in range(_STAGES):
        convolutions = (depth + _STAGES - 1 - stage) // _STAGES
        layers += [width if stage == 0 else 2 * width] * convolutions + [POOL]
    return {**rest, "layers": tuple(layers)}


def architecture_of(space: SearchSpace, parameters: Mapping[str, Option]) -> Architecture:
    """Return the architecture of a family with some parameters."""
    own = NETWORKS[space.name].architecture
    return own.with_options(network_options({**space.fixed, **parameters}))


def place(
    space: SearchSpace, drawn: Mapping[str, Option], *, share: float, limits: Limits
) -> dict[str, Option] | None:
    """Return drawn parameters with the largest width that uses at most `share` of the limits, or
    the smallest of all where that is wider; None where nothing fits the limits."""

    def fits(width: int, share: float) -> bool:
        return limits.hold(architecture_of(space, {**drawn, _WIDTH: width}), share=share)

    low, high = WIDTHS
    if space.dimension(_WIDTH) is None:
        return dict(drawn) if limits.hold(architecture_of(space, drawn)) else None
    if not fits(low, 1.0):
        return None
    # Cost grows with the width: those that do not fit come after those that do.
    too_wide = bisect.bisect_left(
        range(low + 1, high + 1), 1, key=lambda width: int(not fits(width, share))
    )
    return {**drawn, _WIDTH: low + too_wide}


def smallest(space: SearchSpace) -> Iterator[Architecture]:
    """Yield a family's narrowest architectures, one for each combination of what has a cost."""
    names = [entry.name for entry in space.dimensions if entry.name in (_DEPTH, "pooling", "head")]
    dimensions = [space.dimension(name) for name in names]
    lowest = {
        entry.name: entry.corners()[0] for entry in space.dimensions if entry.name not in names
    }
    values = [
        entry.choices or tuple(range(int(entry.low), int(entry.high) + 1))
        for entry in dimensions
        if entry is not None
    ]
    for combination in itertools.product(*values):
        yield architecture_of(space, {**lowest, **dict(zip(names, combination, strict=True))})


def network_entry(name: str) -> dict[str, Any]:
    """Return what plan.json says of a family's own network, JSON-ready."""
    entry = asdict(NETWORKS[name].architecture)
    return {**entry, "layers": list(entry["layers"])}
