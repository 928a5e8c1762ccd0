"""The state from which a run goes on: one file of `torch.save`, written after every epoch.

It is read by `torch.load(weights_only=True)`, which runs no code of the file. A run that goes on
must share configuration, data, device and threads with it: with another number of threads, sums
are taken in another order, and the weights would be those of neither run.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mnist_core.config import TrainConfig
from mnist_core.data.splits import Dataset
from mnist_core.errors import UserError
from mnist_core.optim.custom import one_line
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.training.state import TrainState

FORMAT = "compact-mnist resume state 1"


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """A run after some of its epochs."""

    config: TrainConfig
    record: dict[str, Any]
    """What `train` recorded so far, JSON-ready."""
    dataset_sha256: str
    device: str
    """cpu or cuda."""
    threads: int
    state: dict[str, Any]
    """What `TrainState.restore` takes."""


def write(path: Path, state: TrainState, *, record: dict[str, Any]) -> None:
    """Write the state atomically; one that cannot be saved is an `OptimizerError`."""
    values = {
        "format": FORMAT,
        "config": state.config.to_dict(),
        "record": record,
        "dataset_sha256": state.dataset.sha256,
        "device": state.dataset.train.labels.device.type,
        "threads": torch.get_num_threads(),
        "state": state.saved(),
    }
    content = io.BytesIO()
    torch.save(values, content)
    write_atomically(path, content.getvalue())


def read(path: Path) -> SavedRun:
    """Read the state of a run; anything that is not a whole one is a `UserError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the state {path}: {error.strerror}; name another folder, or train again"
        ) from error
    try:
        # torch.load does not compare the checksums that torch.save writes.
        damaged = zipfile.ZipFile(io.BytesIO(content)).testzip()
        if damaged:
            raise ValueError(f"the checksum of its part {damaged} differs")
        values = torch.load(
            io.BytesIO(content),
            weights_only=True,
            map_location=None if torch.cuda.is_available() else "cpu",
        )
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}")
        return SavedRun(**{**values, "config": TrainConfig.from_dict(values["config"])})
    except Exception as error:  # whatever zipfile, pickle and torch raise for a foreign file
        reason = error if isinstance(error, UserError | ValueError) else one_line(error)
        raise UserError(
            f"{path} is not a whole state of a run ({reason}); delete it and train again, or "
            "name another folder"
        ) from error


def read_matching(path: Path, config: TrainConfig, dataset: Dataset) -> SavedRun:
    """Read the state to go on from; `UserError` says what it does not share with this run."""
    saved = read(path)
    require_config(path, saved.config, config)
    if saved.dataset_sha256 != dataset.sha256:
        raise UserError(
            f"the run of {path} was trained on other data than {dataset.name} here. "
            "Use its data, or another folder."
        )
    different = [
        f"{name} {previous}, now {current}"
        for name, previous, current in (
            ("device", saved.device, dataset.train.labels.device.type),
            ("threads", saved.threads, torch.get_num_threads()),
        )
        if previous != current
    ]
    if different:
        raise UserError(
            f"the run of {path} was trained with {'; '.join(different)}, which gives other "
            "bits. Use its own (a resumed `train` does where none is named), or another folder."
        )
    return saved


def require_config(path: Path, saved_config: TrainConfig, config: TrainConfig) -> None:
    """Raise `UserError` with the differences where a saved run is of another configuration."""
    previous, current = saved_config.to_dict(), config.to_dict()
    different = [
        f"{key} {previous.get(key)!r}, now {current.get(key)!r}"
        for key in {**current, **previous}
        if previous.get(key) != current.get(key)
    ]
    if different:
        raise UserError(
            f"the run of {path} is of another configuration: {'; '.join(different)}. "
            "Use its options, or another folder."
        )
