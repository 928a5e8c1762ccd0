"""Settings of a run beyond the seed's recipe: what each does, and that bits still repeat."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from mnist_core.config import TrainConfig
from mnist_core.data.augment import bilinear as affine
from mnist_core.data.augment import elastic
from mnist_core.data.splits import Split, normalise
from mnist_core.models.network import Bfloat16, build_network, weights_digest
from mnist_core.runtime.randomness import generator
from mnist_core.training.batches import epoch_batches
from mnist_core.training.evaluation import evaluate
from mnist_core.training.loop import train
from mnist_core.training.state import TrainState
from mnist_core.training.step import training_step

CPU = torch.device("cpu")
RECIPES = {
    "bfloat16": {"precision": "bfloat16"},
    "averaged": {"averaging": 0.9},
    "recalibrated": {"network": "batch-norm", "recalibration_images": 1_000},
    "with validation": {"train_on_validation": True},
    "smoothed": {"label_smoothing": 0.1},
    "bilinear": {"interpolation": "bilinear", "scaling": 0.1, "shear_degrees": 10.0},
    "elastic": {"interpolation": "bilinear", "elastic": 0.03},
    "all": {
        "precision": "bfloat16",
        "averaging": 0.9,
        "label_smoothing": 0.1,
        "interpolation": "bilinear",
        "scaling": 0.1,
        "elastic": 0.02,
        "network": "batch-norm",
        "network_options": {"dropout": 0.1},
        "recalibration_images": 600,
    },
}


def config_of(name: str | None = None, **changes) -> TrainConfig:
    recipe = {} if name is None else RECIPES[name]
    return TrainConfig(**{"dataset": "digits", "epochs": 2, "batch_size": 32, **recipe, **changes})


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in RECIPES if name != "all"), "all"],
)
def test_each_setting_changes_the_bits_and_repeats_them(name, small_digits):
    first, second = (train(config_of(name), small_digits) for _ in range(2))
    assert first.weights_sha256 == second.weights_sha256
    assert first.weights_sha256 != train(config_of(), small_digits).weights_sha256


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(name, small_digits, tmp_path):
    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(progress):
        if progress.epoch == 2:
            raise Stop

    path = tmp_path / "resume.pt"
    with pytest.raises(Stop):
        train(config_of(name), small_digits, resume_file=path, observe=stop_in_the_second_epoch)
    resumed = train(config_of(name), small_digits, resume_file=path)
    whole = train(config_of(name), small_digits)
    assert resumed.weights_sha256 == whole.weights_sha256
    again = train(config_of(name), small_digits, resume_file=path)
    assert weights_digest(again.model) == whole.weights_sha256


def test_the_average_is_an_exponential_one_of_the_weights_after_each_step(small_digits):
    config = config_of(averaging=0.75)
    learner = TrainState(config, small_digits)
    expected = None
    for images, labels in epoch_batches(small_digits, config, epoch=1):
        learner.step(images, labels, learning_rate=0.01)
        now = learner.trained.fc1.weight.detach().clone()
        expected = now if expected is None else 0.75 * expected + 0.25 * now
    torch.testing.assert_close(learner.result.fc1.weight.detach(), expected)
    assert not torch.equal(learner.trained.fc1.weight, learner.result.fc1.weight)


def test_the_result_of_an_averaged_run_is_what_is_validated(small_digits):
    result = train(config_of(averaging=0.9), small_digits)
    found = evaluate(result.model, small_digits, small_digits.validation)
    assert found.accuracy == result.validation_accuracy
    assert found.loss == result.epochs[-1].validation_loss


def test_a_run_on_the_validation_images_too_is_one_on_a_set_that_trains_on_them(small_digits):
    both = Split(
        torch.cat([small_digits.train.images, small_digits.validation.images]),
        torch.cat([small_digits.train.labels, small_digits.validation.labels]),
    )
    config = config_of(network="batch-norm", recalibration_images=10_000)
    expected = train(config, replace(small_digits, train=both))
    found = train(replace(config, train_on_validation=True), small_digits)
    assert found.weights_sha256 == expected.weights_sha256
    assert found.steps == 2 * (len(both) // 32) > train(config, small_digits).steps


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_recalibrated_statistics_are_those_of_plain_images_before_the_results_weights(
    averaging, small_digits
):
    config = config_of(
        network="batch-norm", averaging=averaging, recalibration_images=200, precision="bfloat16"
    )
    network = train(config, small_digits).model
    images = small_digits.train.first(200).images
    with torch.no_grad():
        plain = normalise(images, mean=small_digits.mean, std=small_digits.std)
        features = network.conv1(plain)
    found = network.norm1
    # torch adds 135,200 values of a channel in float32.
    torch.testing.assert_close(found.running_mean, features.mean((0, 2, 3)), rtol=0, atol=2e-4)
    torch.testing.assert_close(found.running_var, features.var((0, 2, 3)), rtol=2e-3, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_smoothed_loss_is_torchs(smoothing):
    network = build_network(seed=0, device=CPU)
    images, labels = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    expected = F.cross_entropy(network(images), labels, label_smoothing=smoothing)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    loss = training_step(network, optimizer, images, labels, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)


def test_bfloat16_rounds_the_forward_pass_and_leaves_the_weights_float32():
    network = build_network(seed=0, device=CPU)
    wrapped = Bfloat16(copy.deepcopy(network))
    images = torch.randn(64, 1, 28, 28)
    with torch.no_grad():
        exact, rounded = network(images), wrapped(images)
    assert rounded.dtype == torch.float32
    assert 0 < float((exact - rounded).abs().max()) < 0.05
    assert {p.dtype for p in wrapped.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("angle", "shear", "scale", "shift"),
    [
        (0, 0, 1.0, (0, 0)),
        (30, 0, 1.0, (0, 0)),
        (-12, 20, 0.8, (2, -3)),
        (5, -15, 1.3, (-4, 1)),
    ],
)
@pytest.mark.parametrize("side", [28, 32])
def test_an_affine_transform_is_torchvisions(angle, shear, scale, shift, side):
    pixels = torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(0))
    images = pixels.to(torch.uint8)
    expected = tv.affine(
        images.float(),
        angle=angle,
        translate=list(shift),
        scale=scale,
        shear=[shear, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    ones = torch.ones(2, dtype=torch.float64)
    maps = affine.inverse_maps(
        np.deg2rad(angle) * ones,
        shear=np.deg2rad(shear) * ones,
        scale=scale * ones,
        shift=torch.tensor(shift, dtype=torch.float64).expand(2, 2) * 2 / side,
    )
    torch.testing.assert_close(affine.apply(images, maps), expected, rtol=0, atol=0.05)


def test_no_transform_leaves_every_pixel_as_it_is():
    images = torch.randint(0, 256, (4, 1, 28, 28)).to(torch.uint8)
    maps = affine.draw(
        4,
        rotation_degrees=0.0,
        translation=0.0,
        scaling=0.0,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    )
    torch.testing.assert_close(affine.apply(images, maps), images.float(), rtol=0, atol=1e-3)


def test_transforms_are_uniform_in_their_ranges():
    maps = affine.draw(
        20_000,
        rotation_degrees=20.0,
        translation=0.0,
        scaling=0.2,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    ).double()
    scale = maps[:, :, :2].det().rsqrt()
    angle = torch.rad2deg(torch.atan2(maps[:, 0, 1], maps[:, 0, 0]))
    for values, low, high in ((scale, 0.8, 1.2), (angle, -20.0, 20.0)):
        share = (values - low) / (high - low)
        quantiles = torch.quantile(share, torch.linspace(0, 1, 11, dtype=torch.float64))
        assert quantiles == pytest.approx(np.linspace(0, 1, 11), abs=0.02)


def test_shifts_are_shares_of_the_side():
    maps = affine.draw(
        1_000,
        rotation_degrees=0.0,
        translation=0.25,
        scaling=0.0,
        shear_degrees=0.0,
        generator=generator(0, "test"),
    )
    side_shares = maps[:, :, 2] / 2
    assert 0.24 < float(side_shares.max()) <= 0.25
    assert -0.25 <= float(side_shares.min()) < -0.24


def test_grid_points_are_displaced_as_drawn_and_the_pixels_between_them_smoothly():
    points = elastic.draw(300, elastic=0.03, generator=generator(0, "test"))
    assert points.shape == (300, 2, elastic.POINTS, elastic.POINTS)
    quantiles = torch.quantile(points.flatten()[:10_000], torch.linspace(0, 1, 11))
    assert quantiles.numpy() == pytest.approx(np.linspace(-0.06, 0.06, 11), abs=0.003)
    # 29 pixels: every seventh lies on a grid point
    field = elastic.displacements(points, size=(29, 29))
    torch.testing.assert_close(field[:, ::7, ::7].permute(0, 3, 1, 2), points)
    for steps in (field.diff(dim=1), field.diff(dim=2)):
        assert float(steps.abs().max()) < 0.04  # of a largest change of 0.12 within 7 pixels


def test_a_displacement_that_is_the_same_everywhere_is_a_shift():
    images = torch.randint(0, 256, (3, 1, 28, 28)).to(torch.uint8)
    unmoved = torch.eye(2, 3).expand(3, 2, 3)
    points = torch.tensor([2 * 2.0 / 28, -2 * 1.0 / 28]).view(1, 2, 1, 1).expand(3, 2, 5, 5)
    field = elastic.displacements(points, size=(28, 28))
    moved = affine.apply(images, unmoved, displacements=field)
    # what was found 2 to the right and 1 above now lies here
    expected = images[:, :, :-1, 2:].float()
    torch.testing.assert_close(moved[:, :, 1:, :-2], expected, rtol=0, atol=1e-2)
