"""mnist_core.training.cuda_graph: the same steps as one by one, without the host in between."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mnist_core.config import TrainConfig
from mnist_core.data.load import load
from mnist_core.models.network import weights_digest
from mnist_core.optim.registry import (
    OPTIMIZERS,
    capture_notes,
    optimizer_class,
    uncaptured_because,
)
from mnist_core.optim.schedules import multiplier
from mnist_core.runtime.device import prepare_process
from mnist_core.training.batches import epoch_batches, steps_per_epoch
from mnist_core.training.cuda_graph import WARM_UP_STEPS, GraphedSteps
from mnist_core.training.loop import train
from mnist_core.training.state import TrainState

RECIPES = {
    "baseline": {},
    "one-cycle": {"schedule": "one-cycle", "learning_rate": 0.01},
    "bare": {"rotation_degrees": 0.0, "translation": 0.0},
    "everything": {
        "network": "deep",
        "network_options": {"dropout": 0.2, "normalisation": "batch"},
        "recalibration_images": 300,
        "interpolation": "bilinear",
        "scaling": 0.1,
        "shear_degrees": 5.0,
        "elastic": 0.02,
        "label_smoothing": 0.1,
        "averaging": 0.9,
        "precision": "bfloat16",
        "schedule": "cosine",
    },
    "sgd": {"optimizer": "momentum", "learning_rate": 0.05},
}
NEEDS_CUDA = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def config_of(recipe: str, **changes) -> TrainConfig:
    values = {"dataset": "digits", "epochs": 2, "batch_size": 64, **RECIPES[recipe], **changes}
    return TrainConfig(**values)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_bits_are_those_of_steps_taken_one_by_one(recipe, small_digits):
    config = config_of(recipe)
    graphed_state, state = (TrainState(config, small_digits) for _ in range(2))
    graphed = GraphedSteps(graphed_state, is_captured=False)
    steps = steps_per_epoch(small_digits, config.batch_size)
    for epoch in (1, 2):
        torch.manual_seed(epoch)
        graphed_losses = graphed.run_epoch(epoch).clone()
        torch.manual_seed(epoch)
        losses = [
            state.step(
                images,
                labels,
                learning_rate=config.learning_rate
                * multiplier(config.schedule, ((epoch - 1) * steps + step) / (2 * steps)),
            )
            for step, (images, labels) in enumerate(
                epoch_batches(small_digits, config, epoch=epoch)
            )
        ]
        assert torch.equal(graphed_losses, torch.stack(losses))
    assert weights_digest(graphed_state.result) == weights_digest(state.result)


class HostReads(TorchDispatchMode):
    """Collect the operations that make the host wait for a value on the device."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in self.WAITING:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_reads_nothing_on_the_host_but_what_cpu_optimizers_do(recipe, small_digits):
    config = config_of(recipe)
    state = TrainState(config, small_digits)
    graphed = GraphedSteps(state, is_captured=False)
    graphed.run_epoch(1)
    steps = steps_per_epoch(small_digits, config.batch_size)
    with HostReads() as reads:
        graphed.run_epoch(2)
    # On the CPU a rate is a number (one read a step); on CUDA it is a tensor that is copied.
    assert len(reads.names) == steps, set(reads.names)


CAPTURABLE = ("rmsprop", "adam", "adamw", "nadam", "radam", "adamax", "adadelta", "asgd")


@pytest.mark.parametrize("name", CAPTURABLE)
def test_steps_that_are_captured_read_nothing_on_the_host(name):
    spec = OPTIMIZERS[name]
    with FakeTensorMode():  # whose tensors have no values: reading one raises
        parameters = [torch.nn.Parameter(torch.zeros(3, 3, device="cuda"))]
        optimizer = optimizer_class(name)(
            parameters, lr=1e-3, capturable=True, foreach=True, **spec.options
        )
        rate = torch.tensor(1e-3, device="cuda")
        for group in optimizer.param_groups:
            group["lr"] = rate
        for _ in range(2):
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()


def test_what_is_captured_is_said_of_every_optimizer():
    for spec in OPTIMIZERS.values():
        # a fused step on CUDA counts on the device; any other must be told to
        known = inspect.signature(optimizer_class(spec.name)).parameters
        is_captured = "fused" in known or "capturable" in known
        assert is_captured == (not spec.uncaptured_because), spec.name
        assert (spec.name in CAPTURABLE) == ("capturable" in known), spec.name
    assert uncaptured_because("adafactor")
    assert uncaptured_because("mine.optim:Lion")
    assert not uncaptured_because("adam")
    (note,) = capture_notes(["adam", "adafactor"], device="cuda")
    assert note.startswith("adafactor's steps are not captured")
    assert capture_notes(["adafactor"], device="cpu") == []


@pytest.fixture(scope="module")
def cuda_digits():
    return load("digits", data_dir=None, device=prepare_process(device="cuda", threads=1))


class TestOnCuda:
    pytestmark = NEEDS_CUDA

    @pytest.mark.parametrize("recipe", RECIPES)
    def test_captured_steps_have_the_bits_of_uncaptured_ones(self, recipe, cuda_digits):
        config = config_of(recipe)
        captured = train(config, cuda_digits)
        assert captured.steps > WARM_UP_STEPS
        assert captured.weights_sha256 == train(config, cuda_digits).weights_sha256
        uncaptured = train(config, cuda_digits, captures=False)
        assert captured.weights_sha256 == uncaptured.weights_sha256
        assert captured.epochs[0].window_losses == uncaptured.epochs[0].window_losses

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_every_optimizer_has_the_bits_of_its_uncaptured_steps(self, name, cuda_digits):
        low, high = OPTIMIZERS[name].learning_rate_range
        config = config_of("baseline", optimizer=name, learning_rate=(low * high) ** 0.5)
        captured = train(config, cuda_digits)
        assert captured.status == "completed"
        uncaptured = train(config, cuda_digits, captures=False)
        assert captured.weights_sha256 == uncaptured.weights_sha256

    def test_nothing_waits_for_the_device_inside_an_epoch(self, cuda_digits):
        config = config_of("everything")
        graphed = GraphedSteps(TrainState(config, cuda_digits), is_captured=True)
        graphed.run_epoch(1).cpu()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(20):
                graphed._replay(graphed._stream)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def test_a_resumed_run_has_the_bits_of_a_whole_one(self, cuda_digits, tmp_path):
        class Stop(Exception):
            pass

        def stop(progress):
            if progress.epoch == 2:
                raise Stop

        config = config_of("everything", epochs=3)
        path = tmp_path / "resume.pt"
        with pytest.raises(Stop):
            train(config, cuda_digits, resume_file=path, observe=stop)
        resumed = train(config, cuda_digits, resume_file=path)
        assert resumed.weights_sha256 == train(config, cuda_digits).weights_sha256
