"""What a run that goes on must share with its checkpoint: configuration, data, device, threads.

Of another thread count, sums are taken in another order: the weights would be of neither.
"""

from __future__ import annotations

from pathlib import Path

import torch

from mnist_core.config import TrainConfig
from mnist_core.data.splits import Dataset
from mnist_core.errors import UserError
from mnist_core.training import checkpoint as checkpoints
from mnist_core.training.checkpoint import Checkpoint


def read_matching(path: Path, config: TrainConfig, dataset: Dataset) -> Checkpoint:
    """Read a checkpoint to go on from; `UserError` says what it does not share with this run."""
    saved = checkpoints.read(path)
    require_config(path, saved, config)
    if saved.dataset_sha256 != dataset.sha256:
        raise UserError(
            f"the checkpoint {path} was trained on other data than {dataset.name} here. "
            "Use its data, or another folder."
        )
    different = [
        f"{name} {theirs}, now {ours}"
        for name, theirs, ours in (
            ("device", saved.device, dataset.train.labels.device.type),
            ("threads", saved.threads, torch.get_num_threads()),
        )
        if theirs not in (None, ours)  # a file from before they were kept
    ]
    if different:
        raise UserError(
            f"the checkpoint {path} was trained with {'; '.join(different)}, which gives other "
            "bits. Use its own (a resumed `train` does where none is named), or another folder."
        )
    return saved


def require_config(path: Path, saved: Checkpoint, config: TrainConfig) -> None:
    """Raise `UserError` with the differences where a checkpoint is of another configuration."""
    theirs, ours = saved.config.to_dict(), config.to_dict()
    different = [
        f"{key} {theirs.get(key)!r}, now {ours.get(key)!r}"
        for key in {**ours, **theirs}
        if theirs.get(key) != ours.get(key)
    ]
    if different:
        raise UserError(
            f"the checkpoint {path} is of another configuration: {'; '.join(different)}. "
            "Use its options, or another folder."
        )
