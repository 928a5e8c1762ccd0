"""The original formats of the data sets, read strictly: idx files, and CIFAR's pickled batches.

A file whose content nothing vouches for is at least what it should be by its form: type, number
of images, length to the byte, labels in range. Reading a batch runs no code that lies in it.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_core.data.integrity import way_out
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Images [n, c, h, w] and labels [n]."""

_IDX_TYPES: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 12: np.dtype(">i4")}


def read(spec: DatasetSpec, source: Source, root: Path) -> tuple[Part, Part]:
    """Return what one may train and validate on, and what is tested on.

    Raises `UserError` for a file that is not of the format, or not of this data set's sizes.
    """
    folder = root / source.folder
    skipped = source.skipped_test_images
    train = _read_part(
        spec,
        source,
        [folder / name for name in source.train],
        count=spec.train_images + spec.validation_images,
    )
    images, labels = _read_part(
        spec, source, [folder / name for name in source.test], count=skipped + spec.test_images
    )
    return train, (images[skipped:], labels[skipped:])


def _read_part(spec: DatasetSpec, source: Source, paths: Sequence[Path], *, count: int) -> Part:
    if source.format == "idx":
        images, labels = _read_idx_pair(spec, *paths, count=count)
    else:
        batches = [_read_batch(spec, path, count=count // len(paths)) for path in paths]
        images = np.concatenate([pixels for pixels, _ in batches])
        labels = np.concatenate([classes for _, classes in batches])
    images = images.reshape(-1, *spec.shape)
    if source.is_transposed:
        images = np.ascontiguousarray(images.swapaxes(2, 3))
    return images, labels


def _wrong(path: Path, rule: str, found: object) -> UserError:
    return UserError(f"{path} must hold {rule}, got {found}. {way_out(path.parent)}")


def _read_idx_pair(spec: DatasetSpec, images_path: Path, labels_path: Path, *, count: int) -> Part:
    """Read a file of images and one of labels; of several columns, the first is the class."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    _require_images(images_path, images, (count, *spec.shape[1:]))
    if labels.ndim == 2 and labels.shape[1]:
        labels = labels[:, 0]
    return images, _require_labels(spec, labels_path, labels, count=count)


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Read an idx file of bytes or big-endian 32-bit integers (yann.lecun.com/exdb/mnist)."""
    content = np.fromfile(path, dtype=np.uint8)
    header = content[:4].tolist()
    if len(header) < 4 or header[:2] != [0, 0] or header[2] not in _IDX_TYPES or not header[3]:
        rule = "an idx file of bytes or 32-bit integers"
        raise _wrong(path, rule, f"a file that begins with {content[:4].tobytes().hex() or '-'}")
    kind, start = _IDX_TYPES[header[2]], 4 + 4 * header[3]
    shape = content[4:start].view(">u4").tolist() if len(content) >= start else []
    length = start + math.prod(shape) * kind.itemsize
    if len(content) != length:
        raise _wrong(path, f"{length:,} bytes, as its header says", f"{len(content):,}")
    values: npt.NDArray[Any] = content[start:].view(kind).reshape(shape)
    return values


class _BatchUnpickler(pickle.Unpickler):
    """Build arrays, and refuse whatever else a pickle may ask for.

    The MD5 by which a batch is known to be the published one is no defence against somebody who
    makes a second file with the same; torchvision's reader leans on it alone.
    """

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return allowed[module, name]


def _read_batch(spec: DatasetSpec, path: Path, *, count: int) -> Part:
    """Read a batch, pickled by Python 2 (www.cs.toronto.edu/~kriz/cifar.html): `data`
    [n, channels · height · width] uint8, channel by channel and row by row, and `labels`."""
    try:
        with path.open("rb") as file:
            batch = _BatchUnpickler(file, encoding="latin1").load()
        images, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
        raise _wrong(path, "a pickled batch of images and labels", repr(error)) from error
    _require_images(path, images, (count, math.prod(spec.shape)))
    return images, _require_labels(spec, path, labels, count=count)


def _require_images(path: Path, images: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if images.dtype != np.uint8 or images.shape != shape:
        found = f"{images.dtype.name} {list(images.shape)}"
        raise _wrong(path, f"images uint8 {list(shape)}", found)


def _require_labels(
    spec: DatasetSpec, path: Path, labels: npt.NDArray[Any], *, count: int
) -> npt.NDArray[np.int64]:
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise _wrong(path, f"{count} labels", f"{labels.dtype.name} {list(labels.shape)}")
    low, high, last = labels.min(), labels.max(), len(spec.classes) - 1
    if low < 0 or high > last:
        raise _wrong(path, f"labels from 0 to {last}", f"{low} to {high}")
    return labels.astype(np.int64)
