"""Workload -> Prepared: everything that a case needs, made ready outside the clock.

Work is counted here, beside the code that does it: images, FLOPs and bytes of one call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.timing.measure import Call, Elsewhere
from bench.workloads import data as images
from bench.workloads import memory_traffic as traffic
from bench.workloads import networks
from bench.workloads import onnx_runtime as onnx_form
from bench.workloads.workload import CLASSES, LOOP_STEPS, SEED_STEPS, Workload
from mnist_core.config import TrainConfig
from mnist_core.data.splits import Dataset
from mnist_core.errors import UserError
from mnist_core.models.cost import layer_costs, training_flops
from mnist_core.models.network import build_network
from mnist_core.optim.registry import build_optimizer
from mnist_core.runtime.device import available_cores
from mnist_core.runtime.randomness import generator
from mnist_core.training import batches
from mnist_core.training import loop as train
from mnist_core.training.step import training_step

BYTES_PER_MEBIBYTE = 1 << 20
_NO_STEP = 1e-12
"""A learning rate that leaves the weights ordinary numbers after thousands of steps."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A workload ready to be timed, and the work of one call."""

    call: Call | Elsewhere
    images: int = 0
    flops: int = 0
    bytes: int = 0
    close: Callable[[], None] = field(default=lambda: None)


def prepare(workload: Workload, *, dataset_name: str) -> Prepared:
    """Build what the workload needs. Raises `UserError` where it cannot run on this machine."""
    reason = unavailable(workload)
    if reason is not None:
        raise UserError(f"{workload.id} cannot run here: {reason}")
    enter(workload)
    return _BUILDERS[workload.kind](workload, dataset_name)


def unavailable(workload: Workload) -> str | None:
    """Return why the workload cannot run on this machine, or None where it can."""
    if workload.device == "cuda" and not torch.cuda.is_available():
        return "no CUDA device: torch.cuda.is_available() is False"
    if workload.precision == "bfloat16" and not networks.bfloat16_is_native(workload.device):
        return f"the {workload.device} has no bfloat16 arithmetic"
    return networks.compiler_missing(workload) or networks.onnx_missing(workload)


def enter(workload: Workload) -> None:
    """Set what the workload wants of the process: its threads, and TF32 on or off."""
    torch.set_num_threads(workload.threads or available_cores())
    torch.backends.cuda.matmul.allow_tf32 = workload.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = workload.precision == "tf32"


def _call(workload: Workload, function: Callable[..., object], **more: Any) -> Call:
    return Call(call=function, enter=lambda: enter(workload), **more)


def _synthetic_batch(workload: Workload) -> tuple[Tensor, Tensor]:
    device = torch.device(workload.device)
    labels = torch.arange(workload.batch_size, device=device) % CLASSES
    return networks.lay_out(networks.example(workload.batch_size, device), workload), labels


def _flops(*, training: bool, kinds: tuple[str, ...] = ("Conv2d", "Linear")) -> int:
    """Return the FLOPs of one image in the layers of some kinds."""
    everything = layer_costs(build_network(seed=0, device=torch.device("cpu")))
    costs = [cost for cost in everything if cost.kind in kinds]
    return training_flops(costs) if training else sum(c.forward_flops for c in costs)


def _training_step(workload: Workload, dataset_name: str) -> Prepared:
    if workload.mode == "convolutions":
        return _convolutions(workload)
    batch, labels = _synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    counted = _step_call(workload, network, batch, labels)
    moved = traffic.count_bytes(counted)
    if workload.mode == "compiled":
        counted = _step_call(workload, networks.compile_forward(network), batch, labels)
    elif workload.mode == "captured":
        counted = networks.capture(counted)
    return Prepared(
        call=_call(workload, counted),
        images=workload.batch_size,
        flops=_flops(training=True) * workload.batch_size,
        bytes=moved,
    )


def _convolutions(workload: Workload) -> Prepared:
    batch, _ = _synthetic_batch(workload)
    call = networks.convolutions_alone(networks.build(workload, batch.device), batch)
    return Prepared(
        call=_call(workload, call),
        images=workload.batch_size,
        flops=_flops(training=True, kinds=("Conv2d",)) * workload.batch_size,
        bytes=traffic.count_bytes(call),
    )


def _step_call(
    workload: Workload, network: nn.Module, batch: Tensor, labels: Tensor
) -> Callable[[], object]:
    if workload.mode == "seed":
        from mnist_core.references import (
            plain_pytorch as plain_pytorch,  # a revision from before it has the other cases
        )

        training = plain_pytorch.PlainTraining(batch.device)
        return lambda: training.step(batch, labels)
    optimizer = build_optimizer(workload.optimizer, network.parameters(), learning_rate=_NO_STEP)
    return lambda: training_step(network, optimizer, batch, labels)


def _optimizer_step(workload: Workload, dataset_name: str) -> Prepared:
    batch, labels = _synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    optimizer: torch.optim.Optimizer
    if workload.mode == "seed":
        optimizer = torch.optim.Adam(network.parameters(), lr=_NO_STEP)
    else:
        optimizer = build_optimizer(
            workload.optimizer, network.parameters(), learning_rate=_NO_STEP
        )
    training_step(network, optimizer, batch, labels)  # leaves gradients, makes the state
    return Prepared(
        call=_call(workload, optimizer.step), bytes=traffic.count_bytes(optimizer.step)
    )


def _training_loop(workload: Workload, dataset_name: str) -> Prepared:
    full = images.load(dataset_name, workload.device)
    steps = min(LOOP_STEPS[workload.device], len(full.train) // workload.batch_size)
    dataset = images.subset(full, steps * workload.batch_size)
    config = TrainConfig(
        dataset=full.name,
        epochs=1,
        batch_size=workload.batch_size,
        precision=workload.precision,
        learning_rate=_NO_STEP,
        rotation_degrees=10.0 if workload.augment else 0.0,
        translation=0.1 if workload.augment else 0.0,
    )
    if workload.mode == "prepared":
        function = _steps(workload, list(batches.epoch_batches(dataset, config, epoch=1)))
    else:
        function = lambda: train.train(config, dataset)  # noqa: E731
    count = steps * workload.batch_size
    return Prepared(
        call=_call(workload, function), images=count, flops=_flops(training=True) * count
    )


class _Epochs:
    """The batches of an epoch, a new one at each iteration."""

    def __init__(self, dataset: Dataset, config: TrainConfig) -> None:
        self._dataset, self._config = dataset, config
        self._numbers = itertools.count(1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return batches.epoch_batches(self._dataset, self._config, epoch=next(self._numbers))


def _steps(workload: Workload, epoch: Iterable[tuple[Tensor, Tensor]]) -> Callable[[], object]:
    """Return the loop that a run cannot do without: from a new network, as a run begins."""

    def steps() -> None:
        network = networks.build(workload, torch.device(workload.device))
        optimizer = build_optimizer(
            workload.optimizer, network.parameters(), learning_rate=_NO_STEP
        )
        for batch, labels in epoch:
            training_step(network, optimizer, batch, labels)

    return steps


def _seed_loop(workload: Workload, dataset_name: str) -> Prepared:
    """Hand the seed's recipe to a process of its own, in which nothing of ours is set up."""
    from bench.workers.revision import plain_worker

    worker = plain_worker()
    count = worker.ask("prepare_seed", workload=workload.to_dict(), dataset=dataset_name)
    return Prepared(
        call=Call(
            setup=lambda: worker.ask("start_epoch", case=workload.id),
            call=lambda _: worker.ask("consume_epoch"),
        ),
        images=count,
        flops=_flops(training=True) * count,
    )


def _inference(workload: Workload, dataset_name: str) -> Prepared:
    if workload.mode == "onnxruntime":
        return _onnx_inference(workload)
    batch, _ = _synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    if workload.mode != "naive":
        network.eval()
    forward: networks.Forward = network
    moved = traffic.count_bytes(_forward_call(workload, network, batch))
    if workload.mode == "compiled":
        forward = networks.compile_forward(network)
    elif workload.mode == "ahead-of-time":
        forward = networks.compiled_ahead_of_time(workload.batch_size, batch.device)
    call = _forward_call(workload, forward, batch)
    if workload.mode == "captured":
        call = networks.capture(call)
    return Prepared(
        call=_call(workload, call),
        images=workload.batch_size,
        flops=_flops(training=False) * workload.batch_size,
        bytes=moved,
    )


def _onnx_inference(workload: Workload) -> Prepared:
    return Prepared(
        call=onnx_form.load(workload),
        images=workload.batch_size,
        # No bytes: they are counted operator by operator, and it fuses its own.
        flops=_flops(training=False) * workload.batch_size,
        close=lambda: onnx_form.drop(workload),
    )


def _forward_call(
    workload: Workload, forward: networks.Forward, batch: Tensor
) -> Callable[[], object]:
    if workload.mode == "naive":
        return lambda: forward(batch)

    def call() -> object:
        with torch.inference_mode():
            return forward(batch)

    return call


def _data(workload: Workload, dataset_name: str) -> Prepared:
    full = images.load(dataset_name, workload.device)
    steps = min(SEED_STEPS, len(full.train) // workload.batch_size - 1)
    count = steps * workload.batch_size
    if workload.mode == "per-image":
        from mnist_core.references import plain_pytorch

        split = images.subset(full, count + workload.batch_size).train

        def start() -> Any:
            return plain_pytorch.batches(split, augment=workload.augment, workers=workload.workers)

        return Prepared(
            call=_call(workload, lambda epoch: sum(1 for _ in epoch), setup=start), images=count
        )
    dataset = images.subset(full, count)
    config = TrainConfig(
        dataset=full.name,
        batch_size=workload.batch_size,
        rotation_degrees=10.0 if workload.augment else 0.0,
        translation=0.1 if workload.augment else 0.0,
    )
    epochs = _Epochs(dataset, config)
    return Prepared(call=_call(workload, lambda: sum(1 for _ in epochs)), images=count)


def _gemm(workload: Workload, dataset_name: str) -> Prepared:
    dtype = torch.bfloat16 if workload.precision == "bfloat16" else torch.float32
    device, side = torch.device(workload.device), workload.size
    draws = generator(networks.SEED, "gemm")
    a, b = (torch.randn(side, side, generator=draws).to(device, dtype) for _ in range(2))
    product = torch.empty_like(a)
    return Prepared(
        call=_call(workload, lambda: torch.mm(a, b, out=product)),
        flops=2 * side**3,
        bytes=3 * a.numel() * a.element_size(),
    )


def _copy(workload: Workload, dataset_name: str) -> Prepared:
    count = workload.size * BYTES_PER_MEBIBYTE // 4
    source = torch.ones(count, device=workload.device)
    target = torch.empty_like(source)
    return Prepared(
        call=_call(workload, lambda: target.copy_(source)),
        bytes=2 * count * 4,
    )


_BUILDERS: dict[str, Callable[[Workload, str], Prepared]] = {
    "training-step": _training_step,
    "optimizer-step": _optimizer_step,
    "training-loop": _training_loop,
    "seed-loop": _seed_loop,
    "inference": _inference,
    "data": _data,
    "gemm": _gemm,
    "copy": _copy,
}
