"""The training loop: the only one in this repository.

`train(config, dataset)` is what the command line, every trial of a study, every confirmation and
every replay runs. The same configuration on the same machine, versions, device and threads gives
the same bits: `TrainResult.weights_sha256` says so.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mnist_core.config import TrainConfig
from mnist_core.data.splits import Dataset, require_batch_fits
from mnist_core.errors import UserError
from mnist_core.models.network import Network, weights_digest
from mnist_core.optim.registry import uncaptured_because
from mnist_core.runtime.randomness import derive_seed
from mnist_core.training import resume
from mnist_core.training.batches import epoch_batches, steps_per_epoch
from mnist_core.training.checkpoint import write_checkpoint
from mnist_core.training.cuda_graph import GraphedSteps
from mnist_core.training.epoch_record import EpochRecord, epoch_record_from_dict
from mnist_core.training.evaluation import evaluate
from mnist_core.training.state import TrainState
from mnist_core.training.step import learning_rates

WINDOWS_PER_EPOCH = 20
# At chance level the loss is ln(10) = 2.3 nats. Where every loss of whole windows, ten steps or
# more in a row, is above ten times that, the run has exploded: it is no spike of a first step.
EXPLODED_LOSS = 23.0
EXPLODED_STEPS = 10

Status = Literal["completed", "diverged"]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The outcome of a run."""

    config: TrainConfig
    status: Status
    epochs: tuple[EpochRecord, ...]
    """A diverged run's last, broken epoch is not among them."""
    steps: int
    diverged_at_step: int | None
    weights_sha256: str
    images_per_second: float
    """Training images over training time, without evaluation."""
    model: Network = field(repr=False, compare=False)
    """With the averaged weights where the configuration averages them."""

    @property
    def validation_accuracy(self) -> float | None:
        """Return the last epoch's validation accuracy; None for a diverged run."""
        return self.epochs[-1].validation_accuracy if self.status == "completed" else None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a run, reported after each window of steps."""

    epoch: int
    step: int
    """Steps taken in this epoch."""
    steps: int
    """Steps of an epoch."""
    train_loss: float
    images_per_second: float
    finished_epoch: EpochRecord | None
    """The epoch's record, once it has been evaluated."""


Observer = Callable[[Progress], None]
LossesByWindow = Callable[[int], Iterator[Tensor]]
"""Takes the steps of an epoch; yields the losses of each window of them, on the CPU."""


def train(
    config: TrainConfig,
    dataset: Dataset,
    *,
    resume_file: Path | None = None,
    checkpoint: Path | None = None,
    observe: Observer = lambda progress: None,
    captures: bool = True,
) -> TrainResult:
    """Train from the start, or from `resume_file` where that file exists.

    After every epoch the state is written into `resume_file`, and the network so far into
    `checkpoint`. `observe` is called after every window of steps and after every epoch; what it
    raises ends the run. On CUDA all windows of an epoch are observed at its end, and with
    `captures` steps are replayed from a CUDA graph where the optimizer allows it, which changes no
    bit. Raises `UserError` where `resume_file` is damaged, or of another configuration, data,
    device or thread count, and `OptimizerError` where the optimizer refuses its options, fails in
    a step, or has a state that cannot be saved.
    """
    if config.dataset != dataset.name:
        raise UserError(f"the configuration is for {config.dataset}, the data are {dataset.name}")
    dataset = dataset.for_training(on_validation=config.train_on_validation)
    require_batch_fits(dataset, config.batch_size)
    device = dataset.train.labels.device
    state = TrainState(config, dataset)
    records: list[EpochRecord] = []
    diverged_at_step = None

    def write_network(record: dict[str, Any]) -> None:
        if checkpoint is not None:
            write_checkpoint(
                checkpoint,
                config=config,
                record=record,
                dataset_sha256=dataset.sha256,
                network=state.result,
            )

    if resume_file is not None and resume_file.exists():
        saved = resume.read_matching(resume_file, config, dataset)
        state.restore(saved.state)
        records = [epoch_record_from_dict(values) for values in saved.record["epochs"]]
        diverged_at_step = saved.record["diverged_at_step"]
        write_network(saved.record)  # a kill may have come between the two files

    losses_by_window = _stepper(state, captures=captures)
    for epoch in range(len(records) + 1, config.epochs + 1):
        if diverged_at_step is not None:
            break
        # Dropout draws from torch's global generator.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derive_seed(config.seed, "network", epoch))
            outcome = _train_epoch(state, losses_by_window, epoch=epoch, observe=observe)
        if isinstance(outcome, int):
            diverged_at_step = outcome
        else:
            records.append(outcome)
        record = {
            "epochs": [asdict(record) for record in records],
            "diverged_at_step": diverged_at_step,
        }
        if resume_file is not None:
            resume.write(resume_file, state, record=record)
        write_network(record)
    steps = steps_per_epoch(dataset, config.batch_size)
    train_seconds = sum(record.train_seconds for record in records)
    images = len(records) * steps * config.batch_size
    return TrainResult(
        config=config,
        status="completed" if diverged_at_step is None else "diverged",
        epochs=tuple(records),
        steps=len(records) * steps if diverged_at_step is None else diverged_at_step,
        diverged_at_step=diverged_at_step,
        weights_sha256=weights_digest(state.result),
        images_per_second=images / train_seconds if train_seconds else 0.0,
        model=state.result,
    )


def _stepper(state: TrainState, *, captures: bool) -> LossesByWindow:
    """Return how the steps of a run are taken: one by one, or on CUDA whole epochs at once."""
    config, dataset = state.config, state.dataset
    steps = steps_per_epoch(dataset, config.batch_size)
    window_steps = max(1, -(-steps // WINDOWS_PER_EPOCH))
    if dataset.train.labels.is_cuda and not uncaptured_because(config.optimizer):
        graphed = GraphedSteps(state, is_captured=captures)

        def all_at_once(epoch: int) -> Iterator[Tensor]:
            losses = graphed.run_epoch(epoch).cpu()
            for first in range(0, steps, window_steps):
                yield losses[first : first + window_steps]

        return all_at_once

    def one_by_one(epoch: int) -> Iterator[Tensor]:
        rates = learning_rates(config, epoch=epoch, steps=steps)
        batches = epoch_batches(dataset, config, epoch=epoch)
        losses = (
            state.step(images, labels, learning_rate=rate)
            for rate, (images, labels) in zip(rates, batches, strict=True)
        )
        while window := list(itertools.islice(losses, window_steps)):
            yield torch.stack(window).cpu()

    return one_by_one


def _train_epoch(
    state: TrainState, losses_by_window: LossesByWindow, *, epoch: int, observe: Observer
) -> EpochRecord | int:
    """Train and validate one epoch. Return its record, or the step at which it had diverged."""
    batch_size = state.config.batch_size
    steps = steps_per_epoch(state.dataset, batch_size)
    done_before = (epoch - 1) * steps
    window_losses: list[float] = []
    exploded_steps = step = 0
    state.trained.train()
    started = time.perf_counter()

    def report(seconds: float, record: EpochRecord | None = None) -> None:
        observe(
            Progress(
                epoch=epoch,
                step=step,
                steps=steps,
                train_loss=window_losses[-1],
                images_per_second=step * batch_size / seconds,
                finished_epoch=record,
            )
        )

    for losses in losses_by_window(epoch):
        step += len(losses)
        is_exploded = float(losses.min()) > EXPLODED_LOSS
        exploded_steps = exploded_steps + len(losses) if is_exploded else 0
        if not bool(losses.isfinite().all()) or exploded_steps >= min(EXPLODED_STEPS, steps):
            return done_before + step
        window_losses.append(float(losses.mean(dtype=torch.float64)))
        report(time.perf_counter() - started)
    state.end_epoch()
    trained = time.perf_counter()
    validation = evaluate(state.result, state.dataset, state.dataset.validation)
    if not math.isfinite(validation.loss):  # the epoch's last step broke the weights
        return done_before + steps
    record = EpochRecord(
        epoch=epoch,
        window_losses=tuple(window_losses),
        validation_loss=validation.loss,
        validation_accuracy=validation.accuracy,
        train_seconds=trained - started,
        evaluation_seconds=time.perf_counter() - trained,
    )
    report(record.train_seconds, record)
    return record
