"""The images that are timed, and the pipelines that make batches of them.

The images are MNIST's where it can be had, else the embedded digits in its shape.
The time of a step does not depend on what is on an image, so that either serves; records and
reports say which it was.
"""

import functools
import itertools
from dataclasses import replace
from typing import Any

import torch

from bench.workloads.prepared import NO_STEP, Prepared, timed
from bench.workloads.workload import PLAIN_STEPS, Workload
from mnist_core.config import TrainConfig
from mnist_core.data.load import load
from mnist_core.data.spec import BASELINE_AUGMENTATION, Augmentation
from mnist_core.data.splits import Dataset, Split
from mnist_core.references import plain_pytorch
from mnist_core.training import batches


@functools.cache
def load_cached(name: str, device_type: str) -> Dataset:
    """Load a data set onto a device; `auto` falls back to the embedded digits."""
    return load(name, data_dir=None, device=torch.device(device_type))


def subset(dataset: Dataset, count: int) -> Dataset:
    """Keep `count` images to train on and one to validate, so that an epoch is short."""
    one = Split(dataset.validation.images[:1], dataset.validation.labels[:1])
    train = Split(dataset.train.images[:count], dataset.train.labels[:count])
    return replace(dataset, train=train, validation=one)


def repeated(dataset: Dataset, count: int) -> Dataset:
    """Return a data set with at least `count` images to train on, repeated where it has fewer."""
    times = -(-count // len(dataset.train))
    train = Split(dataset.train.images.repeat(times, 1, 1, 1), dataset.train.labels.repeat(times))
    return replace(dataset, train=train) if times > 1 else dataset


def training_config(workload: Workload, dataset: Dataset) -> TrainConfig:
    """Return one epoch of the workload's training, with the baseline's augmentation or none."""
    augmentation = BASELINE_AUGMENTATION if workload.augment else Augmentation()
    return TrainConfig(
        dataset=dataset.name,
        epochs=1,
        batch_size=workload.batch_size,
        precision=workload.precision,
        learning_rate=NO_STEP,
        rotation_degrees=augmentation.rotation_degrees,
        translation=augmentation.translation,
    )


def pipeline(workload: Workload, dataset_name: str) -> Prepared:
    """Make ready what makes the batches of an epoch, and nothing else."""
    full = load_cached(dataset_name, workload.device)
    steps = min(PLAIN_STEPS, len(full.train) // workload.batch_size - 1)
    count = steps * workload.batch_size
    if workload.mode == "plain":
        split = subset(full, count + workload.batch_size).train
        how: dict[str, Any] = {"augment": workload.augment, "workers": workload.workers}
        start = functools.partial(plain_pytorch.batches, split, **how)
        call = timed(workload, lambda epoch: sum(1 for _ in epoch), setup=start)
        return Prepared(call=call, images=count)
    dataset, config = subset(full, count), training_config(workload, full)
    numbers = itertools.count(1)

    def consume() -> int:
        return sum(1 for _ in batches.epoch_batches(dataset, config, epoch=next(numbers)))

    return Prepared(call=timed(workload, consume), images=count)
