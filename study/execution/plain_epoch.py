"""What a study saves: one epoch of the obvious script, timed in the study's own session.

The obvious script is `mnist_core.references.plain_pytorch` inside an Optuna objective:
torchvision's transforms image by image in a DataLoader, an eager step whose loss is read, torch as
it comes. One epoch of it is trained in a process of its own once the study's runs are done, and
`obvious.json` in the study's folder keeps how long it and the session took.

    python -m study.execution.plain_epoch --dataset digits --batch-size 64

trains that epoch and prints what came out as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mnist_core.data.registry import require_known
from mnist_core.errors import UserError
from mnist_core.models.registry import MNIST_SHAPE
from mnist_core.runtime.formatting import duration, write_json
from study.plans.base import StudyPlan
from study.records.run_folder import Record

FILE = "obvious.json"
NAME = "obvious"
MOST_LOADER_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What obvious.json holds."""

    epochs: int
    """Epochs that the session's runs trained, whole or stopped within."""
    seconds: float
    """From the first run of the session to the end of the last, evaluation included."""
    workers: int
    """Runs at the same time."""
    threads: int
    """Of each."""
    epoch_seconds: float
    """Of one epoch of the obvious script, without its validation."""
    epoch_images: int
    loader_workers: int
    script_threads: int
    device: str

    @property
    def ratio(self) -> float:
        """Return how many times as long the script would train for as many epochs."""
        return self.epochs * self.epoch_seconds / self.seconds


def require_shape(dataset: str) -> None:
    """Raise `UserError` for images that the script's network does not take."""
    spec = require_known(dataset)
    if spec.shape != MNIST_SHAPE:
        raise UserError(
            f"--beside {NAME} needs images of {'×'.join(map(str, MNIST_SHAPE))}, got {dataset}, "
            f"of {'×'.join(map(str, spec.shape))}; leave it out"
        )


def measure(
    folder: Path,
    plan: StudyPlan,
    records: Iterable[Record],
    *,
    seconds: float,
    workers: int,
    data_dir: Path | None,
) -> None:
    """Time an epoch of the script and write it into a study's folder, beside a session that ended
    with these records after so many seconds. Where the script fails, say so: the study is done."""
    epochs = sum(len(record["epochs"]) for record in records)
    if not epochs:
        return
    print("timing an epoch of the obvious script", flush=True)
    words = ["--dataset", plan.dataset, "--device", plan.device]
    words += ["--batch-size", str(plan.batch_size), "--augmentation", plan.augmentation]
    words += ["--data-dir", str(data_dir)] if data_dir else []
    done = subprocess.run(
        [sys.executable, "-m", "study.execution.plain_epoch", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"note: the obvious script could not be timed: {done.stderr[-500:]}", flush=True)
        return
    write(
        folder,
        Beside(
            epochs=epochs,
            seconds=seconds,
            workers=workers,
            threads=plan.threads,
            device=plan.device,
            **json.loads(done.stdout),
        ),
    )


def write(folder: Path, beside: Beside) -> None:
    """Write a measurement into a study's folder."""
    write_json(folder / FILE, asdict(beside))


def read(folder: Path) -> Beside | None:
    """Read a study's measurement; None where there is none."""
    file = folder / FILE
    if not file.exists():
        return None
    try:
        return Beside(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} is damaged ({error!r}); delete it, it changes no result"
        ) from error


def section(beside: Beside) -> str:
    """Say for a report what a study cost beside the script."""
    each = f"{beside.threads} thread{'s' if beside.threads > 1 else ''} each"
    return (
        f"The runs of one session trained {beside.epochs:,} epochs in {duration(beside.seconds)} "
        f"({beside.workers} at a time, {each}, on {beside.device}), evaluation included. An epoch "
        "of the obvious script took "
        f"{beside.epoch_seconds:.1f} s on the same machine, right after: the seed's network and "
        f"transforms, {beside.epoch_images:,} images one by one in a DataLoader with "
        f"{beside.loader_workers} worker(s), an eager step whose loss is read, all "
        f"{beside.script_threads} threads, no validation. As many epochs of it would take "
        f"{duration(beside.epochs * beside.epoch_seconds)}: **{beside.ratio:.1f} times as long** "
        "(one epoch was timed, once)."
    )


def train_epoch(
    *, dataset: str, data_dir: Path | None, device: str, batch_size: int, augment: bool
) -> dict[str, Any]:
    """Train one epoch as the script does; return its time and what it was."""
    import torch
    from torch.utils.data import DataLoader

    from mnist_core.data import splits as data
    from mnist_core.references import plain_pytorch

    split = data.load(dataset, data_dir=data_dir, device=torch.device("cpu")).train
    training = plain_pytorch.PlainTraining(torch.device(device))
    loader_workers = min(MOST_LOADER_WORKERS, os.cpu_count() or 1)
    loader: Any = DataLoader(
        plain_pytorch.InMemoryMnist(split, transform=plain_pytorch.transform(augment=augment)),
        batch_size=batch_size,
        shuffle=True,
        num_workers=loader_workers,
    )
    started = time.perf_counter()
    training.consume(iter(loader))
    return {
        "epoch_seconds": time.perf_counter() - started,
        "epoch_images": len(split),
        "loader_workers": loader_workers,
        "script_threads": torch.get_num_threads(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one epoch of the script and print what came out as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m study.execution.plain_epoch",
        description="time one epoch of the obvious script",
    )
    parser.add_argument("--dataset", default="mnist", metavar="NAME")
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch-size", type=int, default=64, metavar="INT")
    parser.add_argument("--augmentation", default="seed", choices=("seed", "none"))
    options = parser.parse_args(arguments)
    outcome = train_epoch(
        dataset=options.dataset,
        data_dir=options.data_dir,
        device=options.device,
        batch_size=options.batch_size,
        augment=options.augmentation == "seed",
    )
    print(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
