"""Data sets that the tests write in the published formats, small or at full size.

A `WrittenSet` holds the files' bytes, the images that they show, and the registry's entry with the
sizes and the SHA-256 of these images in the place of the published ones.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torchvision.datasets

from mnist_core.data.registry import DATASETS
from mnist_core.data.spec import DatasetSpec, Source

BLOCK = 1_000
SKIPPED = {"qmnist": 10_000}
"""Images at the start of the test file that are not part of the test split."""


@dataclass(frozen=True)
class WrittenSet:
    """The files of a data set, not written anywhere yet."""

    spec: DatasetSpec
    contents: dict[str, bytes]
    train: tuple[np.ndarray, np.ndarray]
    """Images [n, c, h, w] uint8, upright, and labels [n] that one may train on."""
    test: tuple[np.ndarray, np.ndarray]

    @property
    def source(self) -> Source:
        assert self.spec.source is not None
        return self.spec.source

    def place(self, root: Path) -> Path:
        """Write the files below `root` and return their folder."""
        folder = root / self.source.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)
        return folder

    def pins(self) -> dict[str, Any]:
        """Return the attributes of torchvision's CIFAR10 that pin the MD5 of its files."""
        if self.spec.name != "cifar10":
            return {}
        md5 = {name: hashlib.md5(content).hexdigest() for name, content in self.contents.items()}
        *train, test, meta = md5.items()
        return {
            "train_list": train,
            "test_list": [test],
            "meta": {"filename": meta[0], "key": "label_names", "md5": meta[1]},
        }

    def install(self, monkeypatch) -> WrittenSet:
        """Put the entry into the registry, and its MD5 into torchvision, until a test ends."""
        monkeypatch.setitem(DATASETS, self.spec.name, self.spec)
        for name, value in self.pins().items():
            monkeypatch.setattr(torchvision.datasets.CIFAR10, name, value)
        return self

    def install_download(self, monkeypatch, download) -> None:
        """Have torchvision call `download(root)` where it would download the data set."""

        def stand_in(dataset) -> None:
            folder = Path(dataset.root) / self.source.folder
            if not all((folder / name).exists() for name in self.contents):
                download(Path(dataset.root))

        kind = getattr(torchvision.datasets, self.source.torchvision_class)
        monkeypatch.setattr(kind, "download", stand_in)


def idx(array: np.ndarray) -> bytes:
    """Return an idx file of bytes, or of big-endian 32-bit integers."""
    kind, stored = (8, array) if array.dtype == np.uint8 else (12, array.astype(">i4"))
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + stored.tobytes()


def images_of(spec: DatasetSpec, labels: np.ndarray, *, seed: int) -> np.ndarray:
    """Return images of black and white pixels with the data set's mean, a block repeated.

    The brightest rows lie elsewhere for each class, so that there is something to learn.
    """
    random = np.random.default_rng(seed)
    channels, height, width = spec.shape
    block = labels[:BLOCK]
    means = np.array(spec.mean)[:, None, None]
    rows = np.arange(height)[None] * len(spec.classes) // height == block[:, None]
    factor = np.where(rows, 2.0, 1.0) / np.where(rows, 2.0, 1.0).mean()
    chance = means * factor[:, None, :, None]
    pixels = (random.random((len(block), channels, height, width)) < chance).astype(np.uint8) * 255
    repeated = np.tile(pixels, (math.ceil(len(labels) / BLOCK), 1, 1, 1))[: len(labels)]
    repeated[:, :, 0, 0] = (np.arange(len(labels)) % 251)[:, None]  # no two neighbours are equal
    return repeated


def written(name: str, *, train: int, validation: int, test: int) -> WrittenSet:
    """Write a data set of so many images; for CIFAR-10, a fifth of the first two in each batch."""
    spec = DATASETS[name]
    assert spec.source is not None
    skipped = SKIPPED.get(name, 0)
    train_labels = np.arange(train + validation) % len(spec.classes)
    test_labels = np.arange(skipped + test) * 3 % len(spec.classes)
    train_images = images_of(spec, train_labels, seed=1)
    test_images = images_of(spec, test_labels, seed=2)
    parts = (train_images, train_labels), (test_images, test_labels)
    contents = _cifar10(spec, *parts) if name == "cifar10" else _idx_files(spec.source, *parts)
    test_split = test_images[skipped:], test_labels[skipped:]
    cut = train_images[:train], train_labels[:train], train_images[train:], train_labels[train:]
    return WrittenSet(
        replace(
            spec,
            train_images=train,
            validation_images=validation,
            test_images=test,
            sha256=spec.sha256 and sha256_of_arrays(*cut, *test_split),
        ),
        contents,
        (train_images, train_labels),
        test_split,
    )


def sha256_of_arrays(*arrays: np.ndarray) -> str:
    """Return what the registry pins of the images and labels of the splits."""
    parts = [f"{array.shape}{array.dtype}".encode() + array.tobytes() for array in arrays]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _cifar10(spec: DatasetSpec, train, test) -> dict[str, bytes]:
    """Return pickled batches, their pixels channel by channel, and the names of the classes."""
    assert spec.source is not None
    batches = [*zip(*(np.split(array, 5) for array in train), strict=True), test]
    values: list[dict[str, Any]] = [
        {"data": images.reshape(len(images), -1), "labels": labels.tolist()}
        for images, labels in batches
    ]
    values.append({"label_names": list(spec.classes)})
    return {
        name: pickle.dumps(value, protocol=2)
        for name, value in zip(spec.source.files, values, strict=True)
    }


def _idx_files(source: Source, *parts) -> dict[str, bytes]:
    """Return a file of images and one of labels for each part."""
    arrays = []
    for images, labels in parts:
        stored = images[:, 0].swapaxes(1, 2) if source.is_transposed else images[:, 0]
        arrays += [np.ascontiguousarray(stored), labels.astype(np.uint8)]
    if source.torchvision_class == "QMNIST":
        # class, then partition, writer and so on (github.com/facebookresearch/qmnist)
        for place in (1, 3):
            labels = arrays[place].astype(np.int32)
            others = np.arange(len(labels) * 7, dtype=np.int32).reshape(-1, 7) * 1_000
            arrays[place] = np.concatenate([labels[:, None], others], axis=1)
    return {name: idx(array) for name, array in zip(source.files, arrays, strict=True)}
