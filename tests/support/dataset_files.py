"""Data sets that the tests write in the original formats, small or at full size.

A `WrittenSet` holds the files' bytes, the images that they show, and the registry's entry with the
sizes and checksums of these files in the place of the published ones.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mnist_core.data.registry import DATASETS
from mnist_core.data.spec import DatasetSpec, Source

BLOCK = 1_000
SKIPPED = 7


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

    def install(self, monkeypatch) -> WrittenSet:
        """Put the entry into the registry for the time of a test."""
        monkeypatch.setitem(DATASETS, self.spec.name, self.spec)
        return self


def idx(array: np.ndarray) -> bytes:
    """Return an idx file of bytes, or of big-endian 32-bit integers."""
    kind, stored = (8, array) if array.dtype == np.uint8 else (12, array.astype(">i4"))
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + stored.tobytes()


def python2_batch(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """Pickle a batch of CIFAR's opcode by opcode as Python 2 did, whose strings are bytes."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R"
    dtype += b"(K\3" + text(b"|") + b"NNN" + number(-1) + number(-1) + b"K\0tb"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
    )
    array += b"(K\1" + number(len(pixels)) + number(pixels.shape[1]) + b"\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    classes = b"](" + b"".join(b"K" + bytes([label]) for label in labels.tolist()) + b"e"
    entries = text(b"data") + array + text(b"labels") + classes
    return b"\x80\2}(" + text(b"batch_label") + text(b"training batch 1 of 5") + entries + b"u."


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
    skipped = min(SKIPPED, spec.source.skipped_test_images)
    if test == spec.test_images:
        skipped = spec.source.skipped_test_images
    classes = len(spec.classes)
    train_labels = np.arange(train + validation) % classes
    test_labels = np.arange(skipped + test) * 3 % classes
    train_images = images_of(spec, train_labels, seed=1)
    test_images = images_of(spec, test_labels, seed=2)
    contents: dict[str, bytes] = {}
    for files, images, labels in (
        (list(spec.source.train), train_images, train_labels),
        (list(spec.source.test), test_images, test_labels),
    ):
        if spec.source.format == "cifar":
            parts = zip(np.split(images, len(files)), np.split(labels, len(files)), strict=True)
            for file, (some_images, some_labels) in zip(files, parts, strict=True):
                pixels = some_images.reshape(len(some_images), -1)
                contents[file] = python2_batch(pixels, some_labels)
            continue
        stored = images[:, 0].swapaxes(1, 2) if spec.source.is_transposed else images[:, 0]
        contents[files[0]] = idx(np.ascontiguousarray(stored))
        contents[files[1]] = idx(_labels_as_stored(files[1], labels))
    changed = replace(
        spec.source,
        train=_checksums(spec.source.train, contents),
        test=_checksums(spec.source.test, contents),
        skipped_test_images=skipped,
    )
    return WrittenSet(
        replace(
            spec,
            train_images=train,
            validation_images=validation,
            test_images=test,
            source=changed,
        ),
        contents,
        (train_images, train_labels),
        (test_images[skipped:], test_labels[skipped:]),
    )


def _labels_as_stored(file: str, labels: np.ndarray) -> np.ndarray:
    if not file.endswith("idx2-int"):
        return labels.astype(np.uint8)
    # QMNIST: class, then partition, writer and so on (github.com/facebookresearch/qmnist)
    others = np.arange(len(labels) * 7, dtype=np.int32).reshape(-1, 7) * 1_000
    return np.concatenate([labels.astype(np.int32)[:, None], others], axis=1)


def _checksums(published, contents: dict[str, bytes]) -> dict[str, str | None]:
    """Replace the checksums of content by those of what was written."""
    found = {}
    for name, checksum in published.items():
        kind = checksum.split(":")[0] if checksum else None
        if kind in ("sha256", "md5"):
            checksum = f"{kind}:{hashlib.new(kind, contents[name]).hexdigest()}"
        found[name] = checksum
    return found
