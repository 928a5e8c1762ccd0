"""TrainConfig: the baseline's defaults, refusals with rule and value, round trip and digest."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_core.config import PRECISIONS, TrainConfig
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError
from mnist_core.models.registry import NETWORKS
from mnist_core.optim.registry import OPTIMIZERS
from mnist_core.optim.schedules import SCHEDULES

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
OPTIONS = st.dictionaries(
    st.text(min_size=1, max_size=5).filter(lambda name: name not in ("lr", "params")),
    SCALARS | st.lists(SCALARS, max_size=3).map(tuple),
    max_size=3,
)
CONFIGS = st.builds(
    TrainConfig,
    dataset=st.sampled_from(sorted(DATASETS)),
    optimizer=st.sampled_from([*sorted(OPTIMIZERS), "lion:Lion", "my.package:Own"]),
    optimizer_options=OPTIONS,
    learning_rate=st.floats(1e-12, 1e6),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    epochs=st.integers(1, 10_000),
    batch_size=st.integers(1, 60_000),
    rotation_degrees=st.floats(0, 180),
    translation=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**63 - 1),
    network=st.sampled_from(sorted(NETWORKS)),
    network_options=st.sampled_from(
        [{}, {"dropout": 0.5}, {"layers": [8, "pool", "5x5:12"], "activation": "gelu"}]
    ),
    precision=st.sampled_from(PRECISIONS),
    label_smoothing=st.floats(0, 1, exclude_max=True),
    averaging=st.floats(0, 1, exclude_max=True),
    interpolation=st.just("bilinear"),
    scaling=st.floats(0, 1, exclude_max=True),
    shear_degrees=st.floats(0, 45),
    elastic=st.floats(0, 1, exclude_max=True),
)


def test_the_defaults_are_the_baseline_recipe():
    assert TrainConfig().to_dict() == {
        "dataset": "mnist",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "epochs": 15,
        "batch_size": 64,
        "rotation_degrees": 10.0,
        "translation": 0.1,
        "seed": 0,
    }


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


def test_positional_arguments_are_refused():
    with pytest.raises(TypeError):
        TrainConfig("mnist")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("dataset", "cifar", "unknown dataset 'cifar'; known: cifar10, digits, emnist-digits"),
        ("dataset", "auto", "unknown dataset 'auto'"),
        ("optimizer", "sdg", "unknown optimizer 'sdg'; known: adadelta, adafactor, adagrad, adam"),
        ("optimizer", "lion:", "a custom optimizer must be named as package.module:Class"),
        ("optimizer_options", 3, "optimizer_options must be a mapping, got 3"),
        ("optimizer_options", {"lr": 0.1}, "optimizer_options must not hold 'lr': "),
        ("optimizer_options", {"params": []}, "optimizer_options must not hold 'params': "),
        (
            "optimizer_options",
            {"eps": float("nan")},
            "the option eps must be a finite number, a text, true, false, none, or a "
            "flat list of these, got nan",
        ),
        ("optimizer_options", {"betas": [[0.9]]}, "the option betas must be a finite"),
        ("optimizer_options", {"betas": {"a": 1}}, "the option betas must be a fin"),
        ("network", "vgg", "unknown network 'vgg'; known: baseline, batch-norm, deep, dropout"),
        (
            "network_options",
            {"width": 3},
            "unknown network option 'width'; known: activation, ",
        ),
        (
            "network_options",
            {"layers": [0]},
            "a layer must be a number of channels >= 1, 'pool', ",
        ),
        ("precision", "float16", "unknown precision 'float16'; known: bfloat16, float32"),
        ("interpolation", "cubic", "unknown interpolation 'cubic'; known: bilinear, nearest"),
        ("recalibration_images", -1, "recalibration_images must be >= 0, got -1"),
        (
            "recalibration_images",
            500,
            "recalibration_images must be 0 for a network without batch normalisation, got 500 "
            "for baseline; normalisation=batch has it",
        ),
        ("averaging", 1.0, "averaging must be in [0, 1), got 1.0"),
        ("label_smoothing", -0.1, "label_smoothing must be in [0, 1), got -0.1"),
        ("scaling", 0.1, "scaling, shear_degrees and elastic need interpolation 'bilinear'"),
        (
            "elastic",
            0.1,
            "scaling, shear_degrees and elastic need interpolation 'bilinear', got 'nearest'",
        ),
        ("elastic", 1.0, "elastic must be in [0, 1), got 1.0"),
        ("shear_degrees", 46.0, "shear_degrees must be in [0, 45], got 46.0"),
        ("schedule", "linear", "unknown schedule 'linear'; known: constant, cosine, one-cycle"),
        ("learning_rate", 0.0, "learning_rate must be positive and finite, got 0.0"),
        ("learning_rate", -1e-3, "learning_rate must be positive and finite, got -0.001"),
        ("learning_rate", float("nan"), "learning_rate must be positive and finite, got nan"),
        ("learning_rate", float("inf"), "learning_rate must be positive and finite, got inf"),
        ("learning_rate", "0.1", "learning_rate must be of type float, got '0.1'"),
        ("epochs", 0, "epochs must be >= 1, got 0"),
        ("epochs", -3, "epochs must be >= 1, got -3"),
        ("epochs", 1.5, "epochs must be of type int, got 1.5"),
        ("epochs", True, "epochs must be of type int, got True"),
        ("batch_size", 0, "batch_size must be >= 1, got 0"),
        ("rotation_degrees", -1.0, "rotation_degrees must be in [0, 180], got -1.0"),
        ("rotation_degrees", 181.0, "rotation_degrees must be in [0, 180], got 181.0"),
        ("rotation_degrees", float("nan"), "rotation_degrees must be in [0, 180], got nan"),
        ("translation", -0.1, "translation must be in [0, 1), got -0.1"),
        ("translation", 1.0, "translation must be in [0, 1), got 1.0"),
        ("seed", -1, "seed must be in [0, 2**63), got -1"),
        ("seed", 2**63, "seed must be in [0, 2**63)"),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule_and_the_value(field, value, rule):
    with pytest.raises(UserError) as caught:
        TrainConfig(**{field: value})
    assert str(caught.value).startswith(rule)


@given(CONFIGS)
def test_a_configuration_survives_json(config):
    again = TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.digest() == config.digest()
    assert repr(again.optimizer_options) == repr(config.optimizer_options)
    assert hash(again) == hash(config)


@given(CONFIGS, CONFIGS)
def test_digests_are_equal_exactly_where_configurations_are(first, second):
    # repr tells 1, 1.0 and True apart, as a constructor may, and as JSON does.
    are_equal = first == second and repr(first) == repr(second)
    assert (first.digest() == second.digest()) == are_equal


def test_options_are_a_copy_in_one_order_with_tuples_for_lists():
    given = {"weight_decay": 0.1, "betas": [0.9, 0.99]}
    config = TrainConfig(optimizer_options=given)
    given["betas"].append(0.5)
    assert list(config.optimizer_options) == ["betas", "weight_decay"]
    assert config.optimizer_options["betas"] == (0.9, 0.99)
    assert config.to_dict()["optimizer_options"]["betas"] == [0.9, 0.99]
    assert "optimizer_options" not in TrainConfig().to_dict()


@pytest.mark.parametrize("name", DATASETS)
def test_flips_are_refused_where_they_change_the_class_and_named_where_they_are_used(name):
    assert "horizontal_flip" not in TrainConfig(dataset=name).to_dict()
    if DATASETS[name].flip_keeps_class:
        config = TrainConfig(dataset=name, horizontal_flip=True)
        assert TrainConfig.from_dict(config.to_dict()) == config
        assert config.digest() != TrainConfig(dataset=name).digest()
    else:
        with pytest.raises(UserError, match=f"false for {name}: .* suits fashion-mnist, cifar10"):
            TrainConfig(dataset=name, horizontal_flip=True)


def test_an_unknown_key_is_refused_and_the_known_ones_named():
    with pytest.raises(UserError, match=r"unknown configuration key 'momentum'.*learning_rate"):
        TrainConfig.from_dict({**TrainConfig().to_dict(), "momentum": 0.9})


def test_a_whole_number_serves_as_a_float_with_the_same_digest():
    config = TrainConfig(learning_rate=1, rotation_degrees=10)
    assert isinstance(config.learning_rate, float)
    assert config.digest() == TrainConfig(learning_rate=1.0, rotation_degrees=10.0).digest()


def test_the_digest_of_the_default_configuration_stays_what_records_hold():
    assert TrainConfig().digest() == "77b1d38f59213364"


def test_command_lines_read_names_and_configurations_without_importing_torch(run_python):
    modules = ", ".join(
        f"mnist_core.{name}" for name in ("config", "optim.registry", "optim.schedules", "errors")
    )
    completed = run_python("-c", f"import sys, {modules}; print('torch' in sys.modules)")
    assert (completed.stdout.strip(), completed.stderr) == ("False", "")
