"""A data set in memory: uint8 images and int64 labels in three fixed splits, and their SHA-256."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mnist_core.data.spec import DatasetSpec
from mnist_core.errors import UserError


@dataclass(frozen=True)
class Split:
    """Images [n, c, h, w] uint8 and labels [n] int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> Self:
        return replace(self, images=self.images[part], labels=self.labels[part])

    def to(self, device: torch.device) -> Self:
        """Return the split on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three disjoint splits of a data set of the registry."""

    spec: DatasetSpec
    train: Split
    validation: Split
    test: Split
    sha256: str
    """Of the splits; every record holds it."""
    notice: str | None = None
    """Why this is not the data set that was asked for, if it is not."""

    def to(self, device: torch.device) -> Self:
        """Return the data set on `device`."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
        )

    def for_training(self, *, on_validation: bool) -> Self:
        """Return the set to train on: this one, or with the validation images behind those of the
        train split."""
        if not on_validation:
            return self
        images = torch.cat([self.train.images, self.validation.images])
        labels = torch.cat([self.train.labels, self.validation.labels])
        return replace(self, train=Split(images, labels))

    @property
    def name(self) -> str:
        """Return the name that --dataset takes."""
        return self.spec.name

    @property
    def label(self) -> str:
        """Return the name for people."""
        return self.spec.label


def split(spec: DatasetSpec, *, train: Split, test: Split) -> Dataset:
    """Cut the validation split off the end of what one may train on."""
    parts = train[: spec.train_images], train[spec.train_images :], test
    digest = sha256_of(*parts)
    return Dataset(spec=spec, train=parts[0], validation=parts[1], test=test, sha256=digest)


def sha256_of(*splits: Split) -> str:
    """Return the SHA-256 over shape, type and bytes of each split's images and labels."""
    digest = hashlib.sha256()
    for part in splits:
        for array in (part.images.numpy(), part.labels.numpy()):
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def normalise(images: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Bring pixels [n, c, h, w] to float32 by (x / 255 - mean) / std, channel by channel:
    torchvision's ToTensor, then Normalize.

    The result is in channels-last memory, for which convolutions are fastest here.
    """
    scaled = images.to(torch.float32, memory_format=torch.channels_last).div_(255.0)
    for channel, its_mean, its_std in zip(scaled.unbind(1), mean, std, strict=True):
        channel.sub_(its_mean).div_(its_std)
    return scaled


def require_batch_fits(dataset: Dataset, batch_size: int) -> None:
    """Raise `UserError` where one batch is larger than the train split."""
    if batch_size > len(dataset.train):
        raise UserError(
            f"batch_size must be <= {len(dataset.train)}, the images in the train split of "
            f"{dataset.name}, got {batch_size}"
        )
