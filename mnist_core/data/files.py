"""The published files of a data set: torchvision reads them, a SHA-256 vouches for them.

At every load the SHA-256 of the splits is compared

- with the one in the registry, where there is one (MNIST, Fashion-MNIST);
- else with the one that `mnist_core.data.download` wrote beside the files, when torchvision had
  checked the MD5 of their archives.

Unpacked files of other sets that were put there by hand have neither. torchvision compares the MD5
of CIFAR-10's; sizes, labels and mean pixel alone are checked of KMNIST's, QMNIST's and EMNIST's.
Every record holds the SHA-256 of the splits, which tells one copy from another.

Importing torchvision takes 1.1 s on two cores, most of it for torch._dynamo. The optimizers of
torch import that as well: in a process that trains, torchvision costs 0.1 s.
"""

import contextlib
from pathlib import Path
from typing import Any

import torch

from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.data.splits import Dataset, Split, split
from mnist_core.errors import UserError

CHECKSUM_NAME = "splits.sha256"
MEAN_TOLERANCE = 0.03
"""How far the mean pixel may lie from the published one: Fashion-MNIST's 0.29, KMNIST's 0.19 and
MNIST's 0.13 come in files of the same names and sizes, and must not be taken for one another."""
MALFORMED = (RuntimeError, ValueError, TypeError, LookupError, AssertionError)
"""What torchvision raises for files that it cannot parse."""


def read(spec: DatasetSpec, source: Source, root: Path) -> Dataset:
    """Read a data set below `root`; `UserError` for files that are not the published ones."""
    folder = root / source.folder
    try:
        missing = [name for name in source.files if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)}. {_hint(folder)}")
        dataset = parse(spec, source, root)
        _require_published(dataset, folder)
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename or folder}: {error.strerror}. {_hint(folder)}"
        ) from error
    except MALFORMED as error:
        raise UserError(
            f"{spec.label} in {folder} is truncated or altered: "
            f"{last_line(error).split('. ')[0]}. {_hint(folder)}"
        ) from error
    return dataset


def parse(spec: DatasetSpec, source: Source, root: Path, *, download: bool = False) -> Dataset:
    """Have torchvision read, and if asked to download, a data set below `root`. It raises what it
    likes; images or labels of another form than the data set's are a `ValueError`."""
    from torchvision import datasets as torchvision_datasets

    constructor = getattr(torchvision_datasets, source.torchvision_class)
    train, test = (
        _split_of(constructor(str(root), download=download, **arguments), source)
        for arguments in (source.train, source.test)
    )
    _require_form(spec, train, count=spec.train_images + spec.validation_images)
    _require_form(spec, test, count=spec.test_images)
    return split(spec, train=train, test=test)


def last_line(error: BaseException) -> str:
    """Return what an error says in one line: torchvision's are of several."""
    return (str(error).strip() or repr(error)).splitlines()[-1]


def _hint(folder: Path) -> str:
    return (
        f"Delete the files in {folder} to have them downloaded again, or name another --data-dir."
    )


def _split_of(part: Any, source: Source) -> Split:
    """Return a data set of torchvision's as a split. Its images are [n, h, w], or [n, h, w, 3] for
    CIFAR-10; its labels are [n], or [n, 8] with the class first for QMNIST."""
    images, labels = torch.as_tensor(part.data), torch.as_tensor(part.targets)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    if source.is_transposed:
        images = images.transpose(2, 3)
    if labels.ndim == 2:
        labels = labels[:, 0]
    return Split(images.contiguous(), labels.contiguous())


def _require_form(spec: DatasetSpec, part: Split, *, count: int) -> None:
    if part.images.shape != (count, *spec.shape) or part.labels.shape != (count,):
        raise ValueError(
            f"it must hold images {[count, *spec.shape]} and {count} labels, got images "
            f"{list(part.images.shape)} and labels {list(part.labels.shape)}"
        )
    low, high, last = int(part.labels.min()), int(part.labels.max()), len(spec.classes) - 1
    if low < 0 or high > last:
        raise ValueError(f"its labels must be from 0 to {last}, got {low} to {high}")


def _require_published(dataset: Dataset, folder: Path) -> None:
    expected = dataset.spec.sha256
    if expected is None:
        with contextlib.suppress(FileNotFoundError):
            expected = (folder / CHECKSUM_NAME).read_text().strip()
    problem = ""
    if expected is None:
        problem = _unlikely_pixels(dataset)
    elif dataset.sha256 != expected:
        problem = f"the SHA-256 of its splits must be {expected}, got {dataset.sha256}"
    if problem:
        raise UserError(
            f"{folder} does not hold {dataset.label}, or it is altered: {problem}. {_hint(folder)}"
        )


def _unlikely_pixels(dataset: Dataset) -> str:
    """Return how the mean pixel differs from the published one; empty where it does not."""
    images = dataset.for_training(on_validation=True).train.images
    means = (images.sum(dim=(0, 2, 3)) / (images[:, 0].numel() * 255)).tolist()
    if all(abs(a - b) <= MEAN_TOLERANCE for a, b in zip(means, dataset.spec.mean, strict=True)):
        return ""
    return (
        f"the mean pixel, as a share of white, must be within {MEAN_TOLERANCE} of "
        f"{', '.join(map(str, dataset.spec.mean))}, got "
        f"{', '.join(f'{mean:.4f}' for mean in means)}"
    )
