"""Batches for training, gathered from tensors in memory in an order that is drawn per epoch.

No image is read, decoded or transformed alone: a batch is gathered, augmented and normalised as
one tensor, on the device of the run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Self

import torch
from torch import Tensor

from mnist_core.config import TrainConfig
from mnist_core.data.augment import bilinear, elastic, nearest
from mnist_core.data.splits import Dataset, Split, normalise
from mnist_core.runtime.randomness import generator

PREPARED_IMAGES = 512
"""Images prepared at once where batches are smaller: few operations for several batches, whose
results still fit in the cache."""


def steps_per_epoch(dataset: Dataset, batch_size: int) -> int:
    """Count the full batches of one epoch."""
    return len(dataset.train) // batch_size


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The random choices of one epoch: tensors with a row for each image, in its order."""

    order: Tensor
    """[n] int64: which image of the split."""
    flips: Tensor | None = None
    """[n] bool: whether it is mirrored."""
    coefficients: Tensor | None = None
    """[n, 6] int32, and `shifts`: see `nearest.Transforms`."""
    shifts: Tensor | None = None
    maps: Tensor | None = None
    """[n, 2, 3] float32: see `bilinear.draw`."""
    displacements: Tensor | None = None
    """[n, 2, p, p] float32: see `elastic.draw`."""

    def tensors(self) -> dict[str, Tensor]:
        """Return those that are not None, by name."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return the draws with every tensor changed in the same way."""
        return type(self)(**{name: change(value) for name, value in self.tensors().items()})


def draw_epoch(dataset: Dataset, config: TrainConfig, *, epoch: int) -> Draws:
    """Draw the order and the augmentation of an epoch's images, on the CPU.

    They depend on the seed and the epoch alone.
    """
    count = steps_per_epoch(dataset, config.batch_size) * config.batch_size
    order = torch.randperm(len(dataset.train), generator=generator(config.seed, "order", epoch))
    drawn = {"order": order[:count]}
    if config.horizontal_flip:
        draws = generator(config.seed, "flip", epoch)
        drawn["flips"] = nearest.draw_flips(count, generator=draws)
    draws = generator(config.seed, "augmentation", epoch)
    if config.interpolation == "bilinear":
        drawn["maps"] = bilinear.draw(
            count,
            rotation_degrees=config.rotation_degrees,
            translation=config.translation,
            scaling=config.scaling,
            shear_degrees=config.shear_degrees,
            generator=draws,
        )
    elif config.rotation_degrees or config.translation:
        transforms = nearest.draw(
            count,
            side=dataset.train.images.shape[-1],
            rotation_degrees=config.rotation_degrees,
            translation=config.translation,
            generator=draws,
        )
        drawn |= {"coefficients": transforms.coefficients, "shifts": transforms.shifts}
    if config.elastic:
        draws = generator(config.seed, "elastic", epoch)
        drawn["displacements"] = elastic.draw(count, elastic=config.elastic, generator=draws)
    return Draws(**drawn)


def prepare(dataset: Dataset, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return drawn training images, augmented and normalised, [n, c, h, w] float32, and their
    labels [n] int64. The draws must lie on the device of the data."""
    images = dataset.train.images[draws.order]
    if draws.flips is not None:
        images = nearest.flip(images, draws.flips)
    if draws.maps is not None:
        field = draws.displacements
        if field is not None:
            field = elastic.displacements(field, size=images.shape[2:])
        images = bilinear.apply(images, draws.maps, displacements=field)
    if draws.coefficients is not None and draws.shifts is not None:
        images = nearest.apply(images, nearest.Transforms(draws.coefficients, draws.shifts))
    normalised = normalise(images, mean=dataset.spec.mean, std=dataset.spec.std)
    return normalised, dataset.train.labels[draws.order]


def epoch_batches(
    dataset: Dataset, config: TrainConfig, *, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch, shuffled and augmented: images [b, c, h, w] float32, labels [b] int64."""
    device = dataset.train.labels.device
    draws = draw_epoch(dataset, config, epoch=epoch).map(lambda tensor: tensor.to(device))
    stride = config.batch_size * max(1, PREPARED_IMAGES // config.batch_size)
    for start in range(0, len(draws.order), stride):
        several = slice(start, start + stride)
        images, labels = prepare(dataset, draws.map(itemgetter(several)))
        for first in range(0, len(labels), config.batch_size):
            batch = slice(first, first + config.batch_size)
            yield images[batch], labels[batch]


def evaluation_batches(
    dataset: Dataset, split: Split, *, batch_size: int = 500
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images of a split in order, normalised and not augmented, and their labels."""
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        images = normalise(split.images[part], mean=dataset.spec.mean, std=dataset.spec.std)
        yield images, split.labels[part]
