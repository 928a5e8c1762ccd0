"""Data sets as uint8 tensors in memory, with checksums and a fixed train/validation/test split.

`load("mnist", data_dir=None, device=...)` looks for the original files in the folder given, else
in the variable MNIST_DATA_DIR, else in the user's cache folder, and downloads them through
torchvision if they are nowhere. `load("auto", ...)` falls back to the embedded set `digits`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnist_core.data import digits
from mnist_core.data import formats as originals
from mnist_core.data import integrity as files
from mnist_core.data import registry as datasets
from mnist_core.data.digits import IntArray
from mnist_core.data.download import UnavailableError
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError

DATA_DIR_VARIABLE = "MNIST_DATA_DIR"

MEAN_TOLERANCE = 0.03
"""How far the mean pixel may lie from the published one: Fashion-MNIST's 0.29, KMNIST's 0.19 and
MNIST's 0.13 come in files of the same names and sizes, and must not be taken for one another."""

# sklearn.datasets.load_digits keeps the order of UCI's optical digits, in which writers follow
# one another: the last images come from writers that training has not seen.
DIGITS_STRETCHED_SIDE = 20


@dataclass(frozen=True)
class Split:
    """Images [n, c, h, w] uint8 and labels [n] int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Split:
        """Return the first `count` images, or all where there are fewer."""
        return Split(self.images[:count], self.labels[:count])

    def to(self, device: torch.device) -> Split:
        """Return the split on `device`."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three disjoint splits of a set that the registry knows."""

    spec: DatasetSpec
    train: Split
    validation: Split
    test: Split
    sha256: str
    """Of the splits' bytes: what the numbers of a report stand on."""
    notice: str | None = None
    """Why this is not the set that a user would expect, if it is not."""

    def for_training(self, *, on_validation: bool) -> Dataset:
        """Return the set to train on: this, or with the validation images in the train split too,
        behind its own."""
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

    @property
    def mean(self) -> tuple[float, ...]:
        """Return the mean of each channel's pixels in [0, 1]."""
        return self.spec.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Return the standard deviation of each channel's pixels in [0, 1]."""
        return self.spec.std


def load(name: str, *, data_dir: Path | None, device: torch.device) -> Dataset:
    """Load a data set onto `device`. `auto` is MNIST, or `digits` where MNIST cannot be had.

    Raises `UserError` for an unknown name, for a set that can neither be found nor downloaded
    (unless `auto`), and for any file that is not the original.
    """
    datasets.require_choice(name)
    try:
        dataset = _load(
            datasets.require_known("mnist" if name == datasets.AUTO else name), data_dir
        )
    except UnavailableError as error:
        if name != datasets.AUTO:
            raise
        notice = f"{error}\ncontinuing with the embedded data set: digits"
        dataset = replace(_load_digits(), notice=notice)
    return replace(
        dataset,
        train=dataset.train.to(device),
        validation=dataset.validation.to(device),
        test=dataset.test.to(device),
    )


def _load(spec: DatasetSpec, data_dir: Path | None) -> Dataset:
    if spec.source is None:
        return _load_digits()
    root = files.find_or_download(spec, spec.source, search_path(data_dir), asked_for=data_dir)
    return _load_originals(spec, spec.source, root)


def find_mnist(data_dir: Path | None) -> Path:
    """Return the folder that holds MNIST's verified files, for those who read them themselves."""
    spec = datasets.require_known("mnist")
    assert spec.source is not None
    return files.find_or_download(spec, spec.source, search_path(data_dir), asked_for=data_dir)


def search_path(data_dir: Path | None) -> list[Path]:
    """Return the folders to look for data sets in, best first."""
    variable = os.environ.get(DATA_DIR_VARIABLE)
    named = [data_dir, Path(variable) if variable else None]
    return [folder for folder in named if folder] + [files.cache_folder()]


def _split_digest(*splits: Split) -> str:
    return files.sha256_of_arrays(
        array.numpy() for split in splits for array in (split.images, split.labels)
    )


def _assemble(spec: DatasetSpec, *, train: Split, test: Split) -> Dataset:
    """Cut the validation split off the end of what one may train on."""
    cut = spec.train_images
    first = Split(train.images[:cut], train.labels[:cut])
    last = Split(train.images[cut:], train.labels[cut:])
    return Dataset(
        spec=spec, train=first, validation=last, test=test, sha256=_split_digest(first, last, test)
    )


def _load_originals(spec: DatasetSpec, source: Source, root: Path) -> Dataset:
    train, test = (
        Split(torch.from_numpy(images), torch.from_numpy(labels))
        for images, labels in originals.read(spec, source, root)
    )
    _require_likely_pixels(spec, train, root / source.folder)
    return _assemble(spec, train=train, test=test)


def _require_likely_pixels(spec: DatasetSpec, train: Split, folder: Path) -> None:
    pixels = train.images[0, 0].numel() * len(train) * 255
    found = [int(total) / pixels for total in train.images.sum(dim=(0, 2, 3))]
    if any(abs(a - b) > MEAN_TOLERANCE for a, b in zip(found, spec.mean, strict=True)):
        raise UserError(
            f"{folder} does not hold {spec.label}, or it is altered: the mean pixel, as a share "
            f"of white, must be within {MEAN_TOLERANCE} of {', '.join(map(str, spec.mean))}, got "
            f"{', '.join(f'{mean:.4f}' for mean in found)}. {files.way_out(folder)}"
        )


def _bilinear_weights(size: int) -> IntArray:
    """Return tenfold weights [20, size] that stretch 8 pixels to 20, pixel centres aligned.

    In integers, so that no processor or library rounds a pixel its own way.
    """
    weights = np.zeros((DIGITS_STRETCHED_SIDE, size), dtype=np.int64)
    for pixel in range(DIGITS_STRETCHED_SIDE):
        # Ten times the source position (pixel + 0.5) · 8/20 - 0.5.
        low, fraction = divmod(4 * pixel - 3, 10)
        weights[pixel, max(low, 0)] += 10 - fraction
        weights[pixel, min(low + 1, size - 1)] += fraction
    return weights


def _load_digits() -> Dataset:
    """Bring scikit-learn's 8×8 digits to MNIST's geometry: 20×20 in the middle of 28×28."""
    small, classes = digits.read()
    weights = _bilinear_weights(small.shape[-1])
    large = (weights @ small @ weights.T * 255 + 800) // 1600
    pixels = np.pad(large.astype(np.uint8), ((0, 0), (4, 4), (4, 4)))
    images = torch.from_numpy(pixels).unsqueeze(1)
    labels = torch.from_numpy(classes.copy())
    spec = datasets.DATASETS["digits"]
    cut = spec.train_images + spec.validation_images
    return _assemble(
        spec, train=Split(images[:cut], labels[:cut]), test=Split(images[cut:], labels[cut:])
    )


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
