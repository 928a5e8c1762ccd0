"""Batches: torchvision's normalisation bit for bit, and an order apart from the augmentation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import Compose, Normalize, ToTensor

from mnist_core.data.augment import nearest
from mnist_core.data.registry import DATASETS
from mnist_core.data.splits import Dataset, Split, normalise
from mnist_core.runtime.randomness import generator
from mnist_core.training.batches import (
    epoch_batches,
    evaluation_batches,
    steps_per_epoch,
)


def batches(dataset, config, *, epoch=1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(epoch_batches(dataset, config, epoch=epoch))


def labels_of(dataset, config, *, epoch=1) -> torch.Tensor:
    return torch.cat([labels for _, labels in batches(dataset, config, epoch=epoch)])


def images_of(dataset, config, *, epoch=1) -> torch.Tensor:
    return torch.cat([images for images, _ in batches(dataset, config, epoch=epoch)])


@pytest.fixture
def numbered(small_digits):
    """256 images whose labels are their numbers."""
    train = replace(small_digits.train, labels=torch.arange(256))
    return replace(small_digits, train=train)


@pytest.mark.parametrize(("mean", "std"), [(0.1307, 0.3081), (0.1563, 0.2772)])
def test_normalisation_is_torchvisions_bit_for_bit_for_every_byte(mean, std):
    pixels = np.arange(784, dtype=np.int64).astype(np.uint8).reshape(28, 28)
    recipe = Compose([ToTensor(), Normalize((mean,), (std,))])
    expected = recipe(Image.fromarray(pixels))
    actual = normalise(torch.from_numpy(pixels).view(1, 1, 28, 28), mean=[mean], std=[std])[0]
    assert actual.dtype == torch.float32
    assert torch.equal(actual.contiguous().view(torch.int32), expected.view(torch.int32))


def test_normalised_images_lie_in_channels_last_memory():
    images = torch.zeros(4, 3, 28, 28, dtype=torch.uint8)
    result = normalise(images, mean=[0.5] * 3, std=[0.5] * 3)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert not result.is_contiguous()


def test_normalisation_leaves_its_input_alone(digits):
    before = digits.test.images.clone()
    normalise(digits.test.images, mean=[0.5], std=[0.5])
    assert torch.equal(digits.test.images, before)


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 256), (32, 8), (100, 2), (256, 1)])
def test_an_epoch_has_the_full_batches_only(numbered, make_config, batch_size, steps):
    config = make_config(batch_size=batch_size)
    assert steps_per_epoch(numbered, batch_size) == steps
    shapes = [(images.shape, labels.shape) for images, labels in batches(numbered, config)]
    assert shapes == [((batch_size, 1, 28, 28), (batch_size,))] * steps


def test_an_epoch_shows_every_image_once(numbered, make_config):
    assert sorted(labels_of(numbered, make_config()).tolist()) == list(range(256))


def test_images_left_over_differ_from_epoch_to_epoch(numbered, make_config):
    seen = Counter()
    for epoch in range(1, 21):
        shown = labels_of(numbered, make_config(batch_size=100), epoch=epoch).tolist()
        assert len(set(shown)) == 200
        seen.update(shown)
    assert len(seen) == 256
    assert max(seen.values()) <= 20


def test_order_follows_seed_and_epoch(numbered, make_config):
    first = labels_of(numbered, make_config())
    assert torch.equal(first, labels_of(numbered, make_config()))
    assert not torch.equal(first, torch.arange(256))
    for other in (make_config(seed=1), make_config()):
        epoch = 2 if other.seed == 0 else 1
        assert not torch.equal(first, labels_of(numbered, other, epoch=epoch))


@pytest.mark.parametrize(
    "change",
    [
        {"rotation_degrees": 0.0},
        {"translation": 0.0},
        {"rotation_degrees": 45.0, "translation": 0.3},
        {"rotation_degrees": 0.0, "translation": 0.0},
        {"optimizer": "sgd", "learning_rate": 0.5, "schedule": "cosine", "epochs": 7},
    ],
)
def test_augmentation_and_optimizer_do_not_change_the_order(numbered, make_config, change):
    expected = labels_of(numbered, make_config(), epoch=3)
    assert torch.equal(labels_of(numbered, make_config(**change), epoch=3), expected)


def test_without_augmentation_the_images_are_the_originals_normalised(numbered, make_config):
    config = make_config(rotation_degrees=0.0, translation=0.0)
    original = numbered.train.images[labels_of(numbered, config)]
    expected = normalise(original, mean=numbered.spec.mean, std=numbered.spec.std)
    assert torch.equal(images_of(numbered, config), expected)


@pytest.mark.parametrize(
    ("rotation_degrees", "translation"), [(10.0, 0.1), (10.0, 0.0), (0.0, 0.1)]
)
def test_an_epochs_images_are_augmented_by_draws_of_the_epoch(
    numbered, make_config, rotation_degrees, translation
):
    config = make_config(rotation_degrees=rotation_degrees, translation=translation, seed=5)
    transforms = nearest.draw(
        256,
        side=28,
        rotation_degrees=rotation_degrees,
        translation=translation,
        generator=generator(5, "augmentation", 2),
    )
    original = numbered.train.images[labels_of(numbered, config, epoch=2)]
    expected = normalise(
        nearest.apply(original, transforms), mean=numbered.spec.mean, std=numbered.spec.std
    )
    actual = images_of(numbered, config, epoch=2)
    assert torch.equal(actual, expected)
    assert not torch.equal(
        actual, normalise(original, mean=numbered.spec.mean, std=numbered.spec.std)
    )


@pytest.fixture
def pictures():
    """32 images in the shape of CIFAR-10's, whose labels are their numbers."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(32, 3, 32, 32), dtype=np.uint8)
    split = Split(torch.from_numpy(pixels), torch.arange(32))
    spec = DATASETS["cifar10"]
    return Dataset(spec=spec, train=split, validation=split, test=split, sha256="of noise")


def test_images_are_mirrored_by_draws_of_their_own_before_they_are_rotated(pictures, make_config):
    config = make_config(dataset="cifar10", horizontal_flip=True, seed=5)
    order = labels_of(pictures, config, epoch=2)
    assert torch.equal(order, labels_of(pictures, make_config(dataset="cifar10", seed=5), epoch=2))
    flips = nearest.draw_flips(32, generator=generator(5, "flip", 2))
    transforms = nearest.draw(
        32,
        side=32,
        rotation_degrees=10.0,
        translation=0.1,
        generator=generator(5, "augmentation", 2),
    )
    mirrored = nearest.flip(pictures.train.images[order], flips)
    expected = nearest.apply(mirrored, transforms)
    actual = images_of(pictures, config, epoch=2)
    assert torch.equal(actual, normalise(expected, mean=pictures.spec.mean, std=pictures.spec.std))


def test_each_channel_is_normalised_as_torchvision_does(pictures):
    images = pictures.train.images
    recipe = Compose([ToTensor(), Normalize(pictures.spec.mean, pictures.spec.std)])
    expected = torch.stack([recipe(image.permute(1, 2, 0).numpy()) for image in images])
    actual = normalise(images, mean=pictures.spec.mean, std=pictures.spec.std)
    assert torch.equal(actual.contiguous().view(torch.int32), expected.view(torch.int32))


def test_the_augmentation_differs_from_epoch_to_epoch_and_seed_to_seed(small_digits, make_config):
    blank = replace(
        small_digits,
        train=replace(
            small_digits.train, images=small_digits.train.images[:1].expand(256, 1, 28, 28)
        ),
    )  # one image 256 times: only the augmentation tells the epochs apart
    first = images_of(blank, make_config())
    assert torch.equal(first, images_of(blank, make_config()))
    assert not torch.equal(first, images_of(blank, make_config(), epoch=2))
    assert not torch.equal(first, images_of(blank, make_config(seed=1)))


def test_training_never_changes_the_resident_images(small_digits, make_config):
    before = small_digits.train.images.clone()
    batches(small_digits, make_config())
    assert torch.equal(small_digits.train.images, before)


@pytest.mark.parametrize("batch_size", [1, 30, 100, 500])
def test_evaluation_shows_every_image_in_order_and_unaugmented(small_digits, batch_size):
    split = small_digits.validation
    parts = list(evaluation_batches(small_digits, split, batch_size=batch_size))
    expected = normalise(split.images, mean=small_digits.spec.mean, std=small_digits.spec.std)
    assert torch.equal(torch.cat([images for images, _ in parts]), expected)
    assert torch.equal(torch.cat([labels for _, labels in parts]), split.labels)
    assert max(len(labels) for _, labels in parts) <= batch_size
