"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_core.config import DATASET_NAMES

if TYPE_CHECKING:
    from mnist_core.data import Dataset

DATASET_CHOICES = ("auto", *DATASET_NAMES)

# argparse's `choices` would list thirteen names in the usage line and refuse in its own words;
# names are checked by the registries, whose errors name the known ones and the way out.


def add_data_arguments(parser: argparse.ArgumentParser, *, dataset_default: str = "auto") -> None:
    """Add --dataset and --data-dir; `argparse.SUPPRESS` leaves out a --dataset not given."""
    parser.add_argument(
        "--dataset",
        default=dataset_default,
        help=f"one of {', '.join(DATASET_CHOICES)}; auto is mnist, or digits where MNIST can "
        "neither be found nor downloaded (default: auto)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="FOLDER",
        help="folder that holds MNIST/raw (default: the variable MNIST_DATA_DIR, else the user's "
        "cache folder)",
    )


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --device and --threads."""
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add_threads_argument(parser)


def add_threads_argument(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads", type=int, metavar="N", help="CPU threads (default: all available cores)"
    )


def load_dataset(options: argparse.Namespace, *, name: str | None = None) -> Dataset:
    """Prepare the process and load the data set asked for, saying which one it is."""
    from mnist_core import data, runtime

    device = runtime.prepare(device=options.device, threads=options.threads)
    dataset = data.load(name or options.dataset, data_dir=options.data_dir, device=device)
    if dataset.notice:
        print(f"note: {dataset.notice}", flush=True)
    return dataset
