"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.data.registry import AUTO, DATASETS
from mnist_core.errors import UserError

if TYPE_CHECKING:
    from mnist_core.data.splits import Dataset

# argparse's `choices` would list thirteen names in the usage line and refuse in its own words;
# names are checked by the registries, whose errors name the known ones and the way out.


def add_data_arguments(parser: argparse.ArgumentParser, *, dataset_default: str = "auto") -> None:
    """Add --dataset and --data-dir; `argparse.SUPPRESS` leaves out a --dataset not given."""
    parser.add_argument(
        "--dataset",
        default=dataset_default,
        help=f"one of {', '.join((AUTO, *DATASETS))}; auto is mnist, or digits where MNIST can "
        f"neither be found nor downloaded (default: {AUTO})",
    )
    add_data_dir_argument(parser)


def add_data_dir_argument(parser: argparse.ArgumentParser) -> None:
    """Add --data-dir."""
    folders = sorted(spec.source.folder for spec in DATASETS.values() if spec.source)
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="FOLDER",
        help=f"folder that holds the data as torchvision lays them out: {', '.join(folders)} "
        "and into which they are downloaded where they are not there (default: the folder that "
        "the variable MNIST_DATA_DIR names, else the user's cache folder)",
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


NETWORK_OPTION_HELP = (
    "a field of the network's architecture, such as dropout=0.1, activation=silu or "
    '\'layers=[16, 32, "pool", 40, "pool", "1x1:24"]\''
)


def add_assignments(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    """Add an option NAME=VALUE that may be repeated."""
    parser.add_argument(
        flag, action="append", default=[], metavar="NAME=VALUE", help=f"{text}; may be repeated"
    )


def assignments(flag: str, given: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE, each a value of TOML; what is none is a text."""
    values: dict[str, Any] = {}
    for assignment in given:
        name, equals, text = assignment.partition("=")
        if not equals or not name.isidentifier() or name in values:
            raise UserError(f"{flag} must be NAME=VALUE, each name once, got {assignment!r}")
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    return values


def load_dataset(options: argparse.Namespace, *, name: str | None = None) -> Dataset:
    """Prepare the process and load the data set asked for, saying which one it is."""
    from mnist_core.data.load import load
    from mnist_core.runtime.device import prepare_process

    device = prepare_process(device=options.device, threads=options.threads)
    dataset = load(name or options.dataset, data_dir=options.data_dir, device=device)
    if dataset.notice:
        print(f"note: {dataset.notice}", flush=True)
    return dataset
