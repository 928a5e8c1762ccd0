"""One suite that every optimizer of the registry passes through."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mnist_core.data.splits import normalise
from mnist_core.errors import UserError
from mnist_core.models.network import build_network
from mnist_core.optim.registry import OPTIMIZERS, OptimizerSpec, build_optimizer
from mnist_core.optim.saved_state import restore_optimizer
from mnist_core.training import resume
from mnist_core.training.loop import train
from mnist_core.training.step import training_step

CPU = torch.device("cpu")
EVERY = pytest.mark.parametrize("spec", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
EVERY_BUT_ADAM_SLOW = pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, id=name, marks=() if name == "adam" else pytest.mark.slow)
        for name, spec in OPTIMIZERS.items()
    ],
)
FUSED = ("sgd", "momentum", "nesterov", "adam", "adamw", "adagrad")


def library_class(spec: OptimizerSpec) -> type[torch.optim.Optimizer]:
    return getattr(torch.optim, spec.class_name)


def middle_of_the_range(spec: OptimizerSpec) -> float:
    low, high = spec.learning_rate_range
    return (low * high) ** 0.5


@pytest.fixture(scope="module")
def batch(digits) -> tuple[torch.Tensor, torch.Tensor]:
    images = normalise(digits.train.images[:16], mean=digits.spec.mean, std=digits.spec.std)
    return images, digits.train.labels[:16]


def loss_of(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    with torch.no_grad():
        return float(F.nll_loss(net(batch[0]), batch[1]))


@EVERY
def test_it_is_torchs_own_class_with_the_librarys_options(spec):
    net = build_network(seed=0, device=CPU)
    built = build_optimizer(spec.name, net.parameters(), learning_rate=0.5)
    library = library_class(spec)([torch.nn.Parameter(torch.zeros(2, 2))], lr=0.5)
    assert type(built) is library_class(spec)
    expected = {**library.defaults, **spec.options}
    assert {k: v for k, v in built.defaults.items() if k != "fused"} == {
        k: v for k, v in expected.items() if k != "fused"
    }


@EVERY
def test_its_default_learning_rate_is_the_librarys(spec):
    default = inspect.signature(library_class(spec).__init__).parameters["lr"].default
    assert spec.default_learning_rate == float(default)


@EVERY
def test_it_owns_every_parameter_exactly_once(spec):
    net = build_network(seed=0, device=CPU)
    built = build_optimizer(spec.name, net.parameters(), learning_rate=0.5)
    owned = [id(parameter) for group in built.param_groups for parameter in group["params"]]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(parameter) for parameter in net.parameters()}
    assert {group["lr"] for group in built.param_groups} == {0.5}


@EVERY
def test_a_parameter_given_twice_is_refused(spec):
    parameter = torch.nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(UserError, match="every parameter exactly once"):
        build_optimizer(spec.name, [parameter, parameter], learning_rate=0.5)


@EVERY
def test_its_range_holds_two_decades_and_has_a_reason(spec):
    low, high = spec.learning_rate_range
    assert 0 < low < high
    assert high / low >= 99.999
    assert len(spec.reason.split()) >= 4
    # Plain SGD's default, 0.001, is too small to be worth a search; its reason says so.
    assert low <= spec.default_learning_rate <= high or spec.name == "sgd"


@EVERY
def test_the_middle_of_its_range_learns_a_fixed_batch(spec, batch):
    net = build_network(seed=0, device=CPU)
    before = loss_of(net, batch)
    built = build_optimizer(spec.name, net.parameters(), learning_rate=middle_of_the_range(spec))
    losses = (float(training_step(net, built, *batch)) for _ in range(150))
    assert any(loss < 0.95 * before for loss in losses)  # stops at the first


@EVERY
def test_one_step_at_the_low_end_of_its_range_lowers_the_loss(spec, batch):
    net = build_network(seed=0, device=CPU)
    before = loss_of(net, batch)
    low, _ = spec.learning_rate_range
    built = build_optimizer(spec.name, net.parameters(), learning_rate=low)
    training_step(net, built, *batch)
    assert loss_of(net, batch) < before


@pytest.mark.parametrize("spec", [OPTIMIZERS[name] for name in FUSED], ids=FUSED)
def test_the_fused_kernel_takes_the_librarys_plain_steps_to_rounding(spec, batch):
    fused_net, plain_net = (build_network(seed=0, device=CPU) for _ in range(2))
    fused = build_optimizer(spec.name, fused_net.parameters(), learning_rate=1e-3)
    plain = library_class(spec)(plain_net.parameters(), lr=1e-3, foreach=False, **spec.options)
    assert fused.defaults["fused"]
    for _ in range(3):
        training_step(fused_net, fused, *batch)
        training_step(plain_net, plain, *batch)
    for a, b in zip(fused_net.parameters(), plain_net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


class StoppedError(Exception):
    """Ends a run as a kill would: without its goodbyes."""


@EVERY_BUT_ADAM_SLOW
def test_stopped_and_resumed_it_gives_the_bits_of_an_uninterrupted_run(
    spec, small_digits, make_config, tmp_path
):
    config = make_config(
        optimizer=spec.name, learning_rate=middle_of_the_range(spec), schedule="one-cycle"
    )
    whole = train(config, small_digits)
    path = tmp_path / "resume.pt"

    def stop(progress):
        if progress.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(config, small_digits, resume_file=path, observe=stop)
    assert len(resume.read(path).record["epochs"]) == 1
    resumed = train(config, small_digits, resume_file=path)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert [epoch.window_losses for epoch in resumed.epochs] == [
        epoch.window_losses for epoch in whole.epochs
    ]


def order_in_memory(tensor: torch.Tensor) -> list[int]:
    """Return the strides that mean something: those of sides longer than 1."""
    return [step for side, step in zip(tensor.shape, tensor.stride(), strict=True) if side > 1]


@EVERY
def test_its_restored_state_lies_in_memory_as_its_parameters_do(
    spec, small_digits, make_config, tmp_path
):
    # Fused kernels walk weights and state by address: a state in another order is a wrong one.
    path: Path = tmp_path / "resume.pt"
    train(make_config(optimizer=spec.name, epochs=1), small_digits, resume_file=path)
    net = build_network(seed=0, device=CPU)
    built = build_optimizer(spec.name, net.parameters(), learning_rate=1e-3)
    restore_optimizer(built, resume.read(path).state["optimizer"])
    for parameter, state in built.state.items():
        for value in state.values():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                assert order_in_memory(value) == order_in_memory(parameter)


def test_the_registry_holds_what_the_original_readme_and_its_readers_ask_for():
    assert OPTIMIZERS.keys() >= {
        "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam", "radam", "adagrad",
        "adadelta", "adamax",
    }  # fmt: skip
    assert len({spec.label for spec in OPTIMIZERS.values()}) == len(OPTIMIZERS)


def test_an_unknown_optimizer_is_refused_and_the_known_ones_named():
    with pytest.raises(UserError, match=r"unknown optimizer 'lbfgs'; known: adadelta, .*, sgd"):
        build_optimizer("lbfgs", [torch.nn.Parameter(torch.zeros(1))], learning_rate=0.1)
