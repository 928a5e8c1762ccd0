"""Training, made ready to be timed: single steps, an optimizer's own step, whole loops."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

import torch
from torch import Tensor, nn

from bench.timing.measure import Call
from bench.timing.remote import plain_worker
from bench.workloads import data, memory_traffic, networks
from bench.workloads.prepared import NO_STEP, Prepared, flops_per_image, timed
from bench.workloads.workload import LOOP_STEPS, Workload
from mnist_core.optim.registry import build_optimizer
from mnist_core.references import plain_pytorch
from mnist_core.training import batches, loop
from mnist_core.training.step import training_step


def step(workload: Workload) -> Prepared:
    """Make one training step ready, or its convolutions alone."""
    batch, labels = networks.synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    if workload.mode == "convolutions":
        call = networks.convolutions_alone(network, batch)
    else:
        call = _step(workload, network, batch, labels)
    moved = memory_traffic.count_bytes(call)
    if workload.mode == "compiled":
        call = _step(workload, networks.compile_forward(network), batch, labels)
    elif workload.mode == "captured":
        call = networks.capture(call)
    layers = ("Conv2d",) if workload.mode == "convolutions" else ("Conv2d", "Linear")
    return Prepared(
        call=timed(workload, call),
        images=workload.batch_size,
        flops=flops_per_image(training=True, layers=layers) * workload.batch_size,
        bytes=moved,
    )


def _step(
    workload: Workload, network: nn.Module, batch: Tensor, labels: Tensor
) -> Callable[[], object]:
    if workload.mode == "plain":
        training = plain_pytorch.PlainTraining(batch.device)
        return lambda: training.step(batch, labels)
    optimizer = _optimizer(workload, network)
    return lambda: training_step(network, optimizer, batch, labels)


def _optimizer(workload: Workload, network: nn.Module) -> torch.optim.Optimizer:
    if workload.mode == "plain":
        return torch.optim.Adam(network.parameters(), lr=NO_STEP)
    return build_optimizer(workload.optimizer, network.parameters(), learning_rate=NO_STEP)


def optimizer_step(workload: Workload) -> Prepared:
    """Make `optimizer.step()` ready, on the gradients of one training step."""
    batch, labels = networks.synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    optimizer = _optimizer(workload, network)
    training_step(network, optimizer, batch, labels)  # leaves gradients, makes the state
    return Prepared(
        call=timed(workload, optimizer.step), bytes=memory_traffic.count_bytes(optimizer.step)
    )


def training_loop(workload: Workload, dataset_name: str) -> Prepared:
    """Make a whole run ready, or its bare steps on batches that were made before."""
    full = data.load_cached(dataset_name, workload.device)
    steps = min(LOOP_STEPS[workload.device], len(full.train) // workload.batch_size)
    dataset = data.subset(full, steps * workload.batch_size)
    config = data.training_config(workload, full)
    if workload.mode == "prepared":
        function = _bare_loop(workload, list(batches.epoch_batches(dataset, config, epoch=1)))
    else:
        function = lambda: loop.train(config, dataset)  # noqa: E731
    count = steps * workload.batch_size
    return Prepared(
        call=timed(workload, function), images=count, flops=flops_per_image(training=True) * count
    )


def _bare_loop(workload: Workload, epoch: Iterable[tuple[Tensor, Tensor]]) -> Callable[[], object]:
    """Return the loop that a run cannot do without: from a new network, as a run starts."""

    def steps() -> None:
        network = networks.build(workload, torch.device(workload.device))
        optimizer = _optimizer(workload, network)
        for batch, labels in epoch:
            training_step(network, optimizer, batch, labels)

    return steps


def plain_loop(workload: Workload, dataset_name: str) -> Prepared:
    """Hand plain PyTorch's loop to a process in which nothing of this project is set up."""
    worker = plain_worker()
    count = worker.ask("prepare", workload=asdict(workload), dataset=dataset_name)
    return Prepared(
        call=Call(
            setup=lambda: worker.ask("start_epoch", case=workload.id),
            call=lambda _: worker.ask("consume_epoch"),
        ),
        images=count,
        flops=flops_per_image(training=True) * count,
    )
