"""The images that are timed: MNIST where it can be had, else the embedded digits in its shape.

The time of a step does not depend on what is on an image, so that either serves; records and
reports say which it was.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import torch

from mnist_core.data import splits as data
from mnist_core.data.splits import Dataset, Split


@functools.cache
def load(name: str, device_type: str) -> Dataset:
    """Load a data set onto a device; `auto` falls back to the embedded digits."""
    return data.load(name, data_dir=None, device=torch.device(device_type))


def subset(dataset: Dataset, count: int) -> Dataset:
    """Keep `count` images to train on and one to validate, so that an epoch is short."""
    one = Split(dataset.validation.images[:1], dataset.validation.labels[:1])
    train = Split(dataset.train.images[:count], dataset.train.labels[:count])
    return replace(dataset, train=train, validation=one)


def repeated(dataset: Dataset, count: int) -> Dataset:
    """Return a data set with at least `count` images to train on, repeated where it has fewer."""
    times = -(-count // len(dataset.train))
    train = Split(dataset.train.images.repeat(times, 1, 1, 1), dataset.train.labels.repeat(times))
    return replace(dataset, train=train) if times > 1 else dataset
