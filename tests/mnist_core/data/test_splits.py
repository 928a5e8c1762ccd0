"""Splits in memory: their SHA-256, their device, and what is trained on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.dataset_files import sha256_of_arrays

from mnist_core.data.splits import Split, require_batch_fits, sha256_of
from mnist_core.errors import UserError


def parts_of(dataset) -> tuple[Split, Split, Split]:
    return dataset.train, dataset.validation, dataset.test


def test_the_sha256_is_of_shapes_types_and_bytes(digits):
    arrays = [a.numpy() for part in parts_of(digits) for a in (part.images, part.labels)]
    assert digits.sha256 == sha256_of(*parts_of(digits)) == sha256_of_arrays(*arrays)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_sha256_changes_with_one_pixel_and_with_one_label(digits, part):
    for field in ("images", "labels"):
        split = getattr(digits, part)
        images, labels = split.images.clone(), split.labels.clone()
        (images if field == "images" else labels).view(-1)[-1] += 1
        changed = replace(digits, **{part: Split(images, labels)})
        assert sha256_of(*parts_of(changed)) != digits.sha256


def test_the_sha256_tells_shapes_types_and_bytes_apart_whatever_their_order_in_memory():
    labels = torch.zeros(6, dtype=torch.int64)
    images = [
        torch.arange(6, dtype=torch.int16),
        torch.arange(6, dtype=torch.int16).reshape(2, 3),
        torch.arange(6, dtype=torch.uint8),
        torch.arange(6, dtype=torch.int16).flip(0),
    ]
    assert len({sha256_of(Split(image, labels)) for image in images}) == len(images)
    transposed = images[1].T
    assert not transposed.is_contiguous()
    assert sha256_of(Split(transposed, labels)) == sha256_of(Split(transposed.clone(), labels))


def test_a_data_set_moves_to_another_device(digits):
    moved = digits.to(torch.device("meta"))
    for part in parts_of(moved):
        assert part.images.device.type == part.labels.device.type == "meta"
    assert (moved.sha256, moved.name) == (digits.sha256, digits.name)


def test_a_batch_must_fit_into_the_train_split(digits):
    require_batch_fits(digits, 1_197)
    with pytest.raises(UserError, match=r"batch_size must be <= 1197, .* digits, got 1198"):
        require_batch_fits(digits, 1_198)
