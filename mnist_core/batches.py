"""Batches for training: an order of the images, drawn per epoch, into tensors resident in memory.

No image is read, decoded or transformed by itself: a batch is gathered, augmented and normalised
as one tensor, on the device of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from mnist_core import affine, augment
from mnist_core.config import TrainConfig
from mnist_core.data import Dataset, Split
from mnist_core.randomness import generator

PREPARED_IMAGES = 512
"""Images prepared at once, where batches are smaller: a few operations serve several batches, and
their results still lie in the cache."""


def normalise(images: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Bring pixels [n, c, h, w] to float32 by (x / 255 - mean) / std, channel by channel:
    torchvision's ToTensor, then Normalize.

    The result is in channels-last memory, for which convolutions are fastest here.
    """
    scaled = images.to(torch.float32, memory_format=torch.channels_last).div_(255.0)
    for channel, its_mean, its_std in zip(scaled.unbind(1), mean, std, strict=True):
        channel.sub_(its_mean).div_(its_std)
    return scaled


def steps_per_epoch(dataset: Dataset, batch_size: int) -> int:
    """Count the full batches of one epoch."""
    return len(dataset.train) // batch_size


def epoch_batches(
    dataset: Dataset, config: TrainConfig, *, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch, shuffled and augmented: images [b, c, h, w] float32, labels [b] int64.

    Order and augmentation depend on the seed and the epoch alone.
    """
    split = dataset.train
    device = split.labels.device
    used = steps_per_epoch(dataset, config.batch_size) * config.batch_size
    order = torch.randperm(len(split), generator=generator(config.seed, "order", epoch))
    order = order[:used].to(device)
    augmented = _augmentation(split, config, count=used, epoch=epoch)
    flips = None
    if config.horizontal_flip:
        draws = generator(config.seed, "flip", epoch)
        flips = augment.draw_flips(used, generator=draws).to(device)
    stride = config.batch_size * max(1, PREPARED_IMAGES // config.batch_size)
    for start in range(0, used, stride):
        several = slice(start, start + stride)
        images = split.images[order[several]]
        if flips is not None:
            images = augment.flip(images, flips[several])
        images = augmented(images, several)
        normalised = normalise(images, mean=dataset.mean, std=dataset.std)
        labels = split.labels[order[several]]
        for first in range(0, len(labels), config.batch_size):
            batch = slice(first, first + config.batch_size)
            yield normalised[batch], labels[batch]


def _augmentation(
    split: Split, config: TrainConfig, *, count: int, epoch: int
) -> Callable[[Tensor, slice], Tensor]:
    """Draw an epoch's transforms; return what applies some of them to as many images."""
    device = split.labels.device
    draws = generator(config.seed, "augmentation", epoch)
    if config.interpolation == "bilinear":
        maps = affine.draw(
            count,
            rotation_degrees=config.rotation_degrees,
            translation=config.translation,
            scaling=config.scaling,
            shear_degrees=config.shear_degrees,
            generator=draws,
        ).to(device)
        return lambda images, several: affine.apply(images, maps[several])
    if not (config.rotation_degrees or config.translation):
        return lambda images, several: images
    transforms = augment.draw(
        count,
        side=split.images.shape[-1],
        rotation_degrees=config.rotation_degrees,
        translation=config.translation,
        generator=draws,
    ).to(device)
    return lambda images, several: augment.apply(images, transforms.take(several))


def evaluation_batches(
    dataset: Dataset, split: Split, *, batch_size: int = 500
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images of a split in order, normalised and not augmented, and their labels."""
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        images = normalise(split.images[part], mean=dataset.mean, std=dataset.std)
        yield images, split.labels[part]
