"""The registry of networks: every member counts, builds, trains, resumes and exports alike."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from mnist_core.__main__ import main
from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.models import onnx_export, onnx_graph
from mnist_core.models.architecture import CHOICES, POOL, VIEWS, Architecture
from mnist_core.models.cost import layer_costs, parameter_count
from mnist_core.models.network import build_network, weights_digest
from mnist_core.models.onnx_graph import ExportOptions
from mnist_core.models.registry import NETWORKS, architecture
from mnist_core.training.loop import train

CPU = torch.device("cpu")
LIMIT = 23_354
SHAPES = [(1, 28, 28), (3, 32, 32), (2, 28, 31)]
ARCHITECTURES = st.builds(
    Architecture,
    layers=st.lists(
        st.integers(1, 6) | st.sampled_from(["1x1:5", "5x5:2"]), min_size=1, max_size=3
    ).flatmap(
        lambda layers: st.lists(st.booleans(), min_size=len(layers), max_size=len(layers)).map(
            lambda pools: tuple(
                part
                for layer, pool in zip(layers, pools, strict=True)
                for part in ([layer, POOL] if pool else [layer])
            )
        )
    ),
    padding=st.booleans(),
    dropout=st.sampled_from([0.0, 0.5]),
    views=st.sampled_from(VIEWS),
    **{name: st.sampled_from(known) for name, known in CHOICES.items()},
)


def config_of(name: str, **changes) -> TrainConfig:
    return TrainConfig(
        **{"dataset": "digits", "network": name, "epochs": 2, "batch_size": 32, **changes}
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_it_has_at_most_the_baselines_parameters_and_says_what_it_is_for(name):
    assert NETWORKS[name].architecture.parameters() <= LIMIT
    assert len(NETWORKS[name].reason.split()) > 4


def test_architectures_differ():
    assert len({spec.architecture for spec in NETWORKS.values()}) == len(NETWORKS)


@settings(max_examples=40, deadline=None)
@given(ARCHITECTURES, st.sampled_from(SHAPES), st.integers(2, 12))
def test_what_is_counted_without_building_is_what_torch_counts(architecture, shape, classes):
    try:
        architecture.features(shape)
    except UserError:
        reject()  # nothing is left of the images, which another test refuses
    network = build_network(
        architecture, seed=0, device=CPU, input_shape=shape, classes=classes
    ).eval()
    assert parameter_count(network) == architecture.parameters(shape, classes)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = network(torch.rand(2, *shape))
    assert 2 * architecture.evaluation_flops(shape, classes) == counter.get_total_flops()
    costs = layer_costs(network)
    assert sum(cost.forward_flops for cost in costs) == architecture.forward_flops(shape, classes)
    assert sum(cost.parameters for cost in costs) == architecture.parameters(shape, classes)
    assert output.shape == (2, classes)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_other_images_and_classes_change_the_first_and_the_last_layer_alone(name, shape):
    def shapes(network):
        return {key: tuple(value.shape) for key, value in network.state_dict().items()}

    spec = NETWORKS[name].architecture
    usual = shapes(build_network(spec, seed=0, device=CPU))
    other = shapes(build_network(spec, seed=0, device=CPU, input_shape=shape, classes=7))
    assert {key for key in usual if usual[key] != other[key]} <= {
        "conv1.weight",
        "fc1.weight",
        "fc1.bias",
    }
    assert other["fc1.bias"] == (7,)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_lowers_the_loss_and_gives_the_same_bits_again(name, small_digits):
    first, second = (train(config_of(name), small_digits) for _ in range(2))
    losses = [epoch.window_losses[-1] for epoch in first.epochs]
    assert losses[-1] < first.epochs[0].window_losses[0]
    assert first.weights_sha256 == second.weights_sha256
    assert train(config_of(name, seed=1), small_digits).weights_sha256 != first.weights_sha256


@pytest.mark.parametrize("name", NETWORKS)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(name, small_digits, tmp_path):
    class Stop(Exception):
        pass

    def stop_after_the_first_epoch(progress):
        if progress.epoch == 2:
            raise Stop

    path = tmp_path / "resume.pt"
    config = config_of(name)
    with pytest.raises(Stop):
        train(config, small_digits, resume_file=path, observe=stop_after_the_first_epoch)
    torch.manual_seed(123)  # what the process did in between does not matter
    resumed = train(config, small_digits, resume_file=path)
    assert resumed.weights_sha256 == train(config, small_digits).weights_sha256


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_agrees_with_the_trained_network(name, small_digits):
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    network = train(config_of(name, epochs=1), small_digits).model
    options = ExportOptions(dataset="digits", with_normalization=True)
    agreement = onnx_export.verify(
        onnx_graph.build(network, options), network, options, images=small_digits.test.images
    )
    assert agreement.images == 100


@pytest.mark.parametrize(
    "options",
    [
        *({"activation": name} for name in CHOICES["activation"]),
        *({"pooling": name, "padding": True} for name in CHOICES["pooling"]),
        {"head": "mean", "normalisation": "batch", "layers": (4, POOL, "5x5:6"), "dropout": 0.3},
        *({"views": views} for views in VIEWS),
    ],
    ids=lambda options: "-".join(str(value) for value in options.values() if value is not True),
)
def test_onnx_runtime_agrees_with_every_kind_of_layer(options, small_digits):
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    network = build_network(architecture("baseline", options), seed=0, device=CPU)
    options = ExportOptions(dataset="digits")
    agreement = onnx_export.verify(
        onnx_graph.build(network, options), network, options, images=small_digits.test.images
    )
    assert agreement.largest_difference < 1e-5


def test_dropout_is_off_in_evaluation_and_drops_its_share_in_training():
    network = build_network(architecture("baseline", {"dropout": 0.25}), seed=0, device=CPU)
    seen = {}
    network.get_submodule("dropout").register_forward_hook(
        lambda layer, inputs, output: seen.update(inputs=inputs[0], output=output)
    )
    images = torch.rand(500, 1, 28, 28)
    network.eval()(images)
    assert torch.equal(seen["inputs"], seen["output"])
    network.train()(images)
    alive = seen["inputs"] != 0
    dropped = (seen["output"][alive] == 0).float().mean()
    assert float(dropped) == pytest.approx(0.25, abs=0.01)


@pytest.mark.slow
def test_batch_normalisation_uses_what_training_saw():
    network = build_network(architecture("batch-norm", {}), seed=0, device=CPU)
    images = 5 * torch.rand(200, 1, 28, 28) + 3
    network.train()
    for _ in range(100):
        network(images)
    in_training, in_evaluation = network(images), network.eval()(images)
    torch.testing.assert_close(in_training, in_evaluation, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("views", [5, 9])
def test_views_are_the_image_moved_by_a_pixel_and_their_probabilities_averaged(views):
    shape = (2, 12, 15)
    several, one = (
        build_network(
            Architecture(layers=(4, POOL, 6), normalisation="batch", views=count),
            seed=0,
            device=CPU,
            input_shape=shape,
            classes=3,
        )
        for count in (views, 1)
    )
    assert weights_digest(several) == weights_digest(one)
    images = torch.rand(7, *shape)
    assert torch.equal(several(images), one(images))  # in training mode
    moved = F.pad(images, (1, 1, 1, 1), mode="replicate")
    expected = torch.stack(
        [
            one.eval()(moved[:, :, top : top + 12, left : left + 15]).exp()
            for top in range(3)
            for left in range(3)
            if views == 9 or 1 in (top, left)
        ]
    )
    assert len(expected) == views
    torch.testing.assert_close(several.eval()(images), expected.mean(dim=0).log())


def test_the_baseline_is_its_layers_one_after_another():
    network = build_network(seed=0, device=CPU)
    images = torch.rand(5, 1, 28, 28)
    x = F.relu(network.conv1(images))
    x = F.relu(F.max_pool2d(network.conv2(x), 2))
    x = F.relu(F.max_pool2d(network.conv3(x), 2))
    x = F.relu(network.conv4(x))
    assert torch.equal(network(images), F.log_softmax(network.fc1(x.flatten(1)), dim=1))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"layers": []}, "layers must begin with a convolution, got []"),
        ({"layers": [POOL, 8]}, "layers must begin with a convolution"),
        ({"layers": [8, POOL, POOL]}, "layers must have a convolution between two 'pool'"),
        ({"layers": [8, "conv"]}, "a layer must be a number of channels >= 1, 'pool', or a conv"),
        ({"layers": ["2x2:8"]}, "a convolution of an odd size such as '5x5:16', got '2x2:8'"),
        ({"layers": ["3x5:8"]}, "got '3x5:8'"),
        ({"layers": [True]}, "got True"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got 1.0"),
        ({"dropout": "much"}, "dropout must be a number, got 'much'"),
        ({"views": 4}, "views must be one of 1, 5, 9, got 4"),
        ({"padding": 1}, "padding must be true or false, got 1"),
        ({"activation": "tanh"}, "unknown activation 'tanh'; known: gelu, leaky-relu, relu, silu"),
        ({"head": "max"}, "unknown head 'max'; known: flatten, mean"),
        ({"width": 3}, "unknown network option 'width'; known: activation, dropout, head"),
    ],
)
def test_what_is_no_architecture_is_refused_with_the_rule_and_the_value(options, rule):
    with pytest.raises(UserError) as caught:
        architecture("baseline", options)
    assert rule in str(caught.value)


def test_layers_that_use_the_image_up_are_refused():
    deep = Architecture(layers=(4, POOL, 4, POOL, 4, POOL, 4))
    with pytest.raises(UserError, match=r"leave something of images of 28×28.*after layer 7"):
        build_network(deep, seed=0, device=CPU)
    assert math.prod(build_network(deep, seed=0, device=CPU, input_shape=(1, 64, 64)).input_shape)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", (8, "pool", "5x5:16")),
        ("padding", True),
        ("normalisation", "batch"),
        ("dropout", 0.4),
        ("pooling", "stride"),
        ("activation", "gelu"),
        ("head", "mean"),
        ("views", 5),
    ],
)
def test_the_text_of_an_architecture_tells_every_option(name, value, capsys):
    seed = architecture("baseline", {})
    changed = architecture("baseline", {name: value})
    assert seed.text() == "16-32-pool-40-pool-1x1:24, relu, max pooling, head flatten"
    assert changed.text() != seed.text()
    text = json.dumps(list(value)) if name == "layers" else str(value).lower()
    assert main(["describe", "--network-option", f"{name}={text}"]) == 0
    assert f"Architecture: {changed.text()}." in capsys.readouterr().out


def test_every_option_of_an_architecture_is_in_the_test_of_its_text():
    names = {entry.name for entry in fields(Architecture)}
    assert names == {*CHOICES, "layers", "padding", "dropout", "views"}


def test_the_list_of_networks_tells_them_apart(capsys):
    assert main(["describe", "--network", "all"]) == 0
    text = capsys.readouterr().out
    for spec in NETWORKS.values():
        assert text.count(f" {spec.architecture.text()} ") == 1
