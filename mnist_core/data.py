"""Data sets as uint8 tensors in memory, with checksums and a fixed train/validation/test split.

`load("mnist", data_dir=None, device=...)` looks for the four original files in the folder given,
else in the variable MNIST_DATA_DIR, else in the user's cache folder, and downloads them through
torchvision if they are nowhere. `load("auto", ...)` falls back to the embedded set `digits`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnist_core import digits, files
from mnist_core.digits import IntArray
from mnist_core.errors import UserError, unknown_name

DATA_DIR_VARIABLE = "MNIST_DATA_DIR"

NORMALISATION = {"digits": (0.1563, 0.2772), "mnist": (0.1307, 0.3081)}
"""Mean and standard deviation of each data set's pixels in [0, 1]."""

MNIST_VALIDATION_IMAGES = 5_000
# sklearn.datasets.load_digits keeps the order of UCI's optical digits, in which writers follow
# one another: the last images come from writers that training has not seen.
DIGITS_TRAIN_IMAGES, DIGITS_VALIDATION_IMAGES, DIGITS_TEST_IMAGES = 1_197, 300, 300
DIGITS_STRETCHED_SIDE = 20


@dataclass(frozen=True)
class Split:
    """Images [n, 1, 28, 28] uint8 and labels [n] int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Split:
        """Return the split on `device`."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three disjoint splits, and the constants that normalise them."""

    name: str
    label: str
    train: Split
    validation: Split
    test: Split
    mean: float
    """Of the pixels in [0, 1]."""
    std: float
    sha256: str
    """Of the splits' bytes: what the numbers of a report stand on."""
    notice: str | None = None
    """Why this is not the set that a user would expect, if it is not."""


def load(name: str, *, data_dir: Path | None, device: torch.device) -> Dataset:
    """Load a data set onto `device`. `auto` is MNIST, or `digits` where MNIST cannot be had.

    Raises `UserError` for an unknown name, for MNIST that can neither be found nor downloaded
    (unless `auto`), and for any file that is not the original.
    """
    if name == "digits":
        dataset = _load_digits()
    elif name in ("auto", "mnist"):
        try:
            dataset = _load_mnist(files.find_or_download_mnist(search_path(data_dir)))
        except files.MnistUnavailableError as error:
            if name == "mnist":
                raise
            dataset = replace(
                _load_digits(), notice=f"{error}\ncontinuing with the embedded data set: digits"
            )
    else:
        raise unknown_name("dataset", name, ("auto", "digits", "mnist"))
    return replace(
        dataset,
        train=dataset.train.to(device),
        validation=dataset.validation.to(device),
        test=dataset.test.to(device),
    )


def search_path(data_dir: Path | None) -> list[Path]:
    """Return the folders to look for MNIST in, best first."""
    variable = os.environ.get(DATA_DIR_VARIABLE)
    named = [data_dir, Path(variable) if variable else None]
    return [folder for folder in named if folder] + [files.cache_folder()]


def _split_digest(*splits: Split) -> str:
    return files.sha256_of_arrays(
        array.numpy() for split in splits for array in (split.images, split.labels)
    )


def _assemble(*, name: str, label: str, splits: tuple[Split, Split, Split]) -> Dataset:
    train, validation, test = splits
    mean, std = NORMALISATION[name]
    return Dataset(
        name=name,
        label=label,
        train=train,
        validation=validation,
        test=test,
        mean=mean,
        std=std,
        sha256=_split_digest(*splits),
    )


def _load_mnist(root: Path) -> Dataset:
    from torchvision.datasets import MNIST

    def read(*, train: bool) -> Split:
        part = MNIST(str(root), train=train, download=False)
        return Split(part.data.unsqueeze(1).contiguous(), part.targets)

    full, test = read(train=True), read(train=False)
    cut = len(full) - MNIST_VALIDATION_IMAGES
    train = Split(full.images[:cut], full.labels[:cut])
    validation = Split(full.images[cut:], full.labels[cut:])
    return _assemble(name="mnist", label="MNIST", splits=(train, validation, test))


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
    ends = (
        DIGITS_TRAIN_IMAGES,
        DIGITS_TRAIN_IMAGES + DIGITS_VALIDATION_IMAGES,
        DIGITS_TRAIN_IMAGES + DIGITS_VALIDATION_IMAGES + DIGITS_TEST_IMAGES,
    )

    def part(start: int, end: int) -> Split:
        return Split(images[start:end], labels[start:end])

    splits = (part(0, ends[0]), part(ends[0], ends[1]), part(ends[1], ends[2]))
    return _assemble(name="digits", label="digits (scikit-learn)", splits=splits)


def require_batch_fits(dataset: Dataset, batch_size: int) -> None:
    """Raise `UserError` where one batch is larger than the train split."""
    if batch_size > len(dataset.train):
        raise UserError(
            f"batch_size must be <= {len(dataset.train)}, the images in the train split of "
            f"{dataset.name}, got {batch_size}"
        )
