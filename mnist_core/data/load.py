"""`load("mnist", data_dir=None, device=...)`: a data set in memory, found, downloaded and checked.

`load("auto", ...)` is MNIST, or the embedded set `digits` where MNIST cannot be had.
"""

from dataclasses import replace
from pathlib import Path

import torch

from mnist_core.data import digits
from mnist_core.data.download import UnavailableError
from mnist_core.data.files import read
from mnist_core.data.locate import find_or_download
from mnist_core.data.registry import AUTO, dataset_spec, require_choice
from mnist_core.data.spec import DatasetSpec
from mnist_core.data.splits import Dataset


def load(name: str, *, data_dir: Path | None, device: torch.device) -> Dataset:
    """Load a data set onto `device`.

    Raises `UserError` for an unknown name, for a set that can neither be found nor downloaded
    (unless `auto`), and for files that are not the published ones.
    """
    require_choice(name)
    try:
        dataset = _load(dataset_spec("mnist" if name == AUTO else name), data_dir)
    except UnavailableError as error:
        if name != AUTO:
            raise
        notice = f"{error}\ncontinuing with the embedded data set: digits"
        dataset = replace(digits.read(), notice=notice)
    return dataset.to(device)


def _load(spec: DatasetSpec, data_dir: Path | None) -> Dataset:
    if spec.source is None:
        return digits.read()
    return read(spec, spec.source, find_or_download(spec, spec.source, data_dir))
