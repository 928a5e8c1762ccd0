"""Settings of a run beyond the baseline recipe: what each does, and that bits still repeat."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mnist_core.config import TrainConfig
from mnist_core.data.splits import Split, normalise
from mnist_core.models.network import Bfloat16, build_network, weights_digest
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
    state = TrainState(config, small_digits)
    expected = None
    for images, labels in epoch_batches(small_digits, config, epoch=1):
        state.step(images, labels, learning_rate=0.01)
        now = state.trained.fc1.weight.detach().clone()
        expected = now if expected is None else 0.75 * expected + 0.25 * now
    torch.testing.assert_close(state.result.fc1.weight.detach(), expected)
    assert not torch.equal(state.trained.fc1.weight, state.result.fc1.weight)


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
    images = small_digits.train[:200].images
    with torch.no_grad():
        plain = normalise(images, mean=small_digits.spec.mean, std=small_digits.spec.std)
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
