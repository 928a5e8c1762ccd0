"""`python -m mnist_core train`: one run, from its options to the test accuracy.

After every epoch it writes into its folder `resume.pt`, the state for --resume, and
`checkpoint.safetensors`, the network for `evaluate` and `export`; at the end, `result.json`.
`train.lock` keeps a second process out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import time
from dataclasses import Field, asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.cli.arguments import (
    NETWORK_OPTION_HELP,
    add_assignments,
    add_data_arguments,
    add_device_arguments,
    assignments,
    load_dataset,
)
from mnist_core.config import TrainConfig
from mnist_core.data.registry import AUGMENTATION_HELP, AUTO, dataset_spec, require_choice
from mnist_core.data.spec import AUGMENTATIONS
from mnist_core.errors import UserError, with_hint
from mnist_core.optim.registry import default_learning_rate
from mnist_core.recipes import RECIPES, recipe
from mnist_core.runtime.output_folder import folder_for, locked, new_folder, require_writable

if TYPE_CHECKING:
    from mnist_core.data.splits import Dataset
    from mnist_core.training.evaluation import Evaluation
    from mnist_core.training.loop import TrainResult

CHECKPOINT_NAME = "checkpoint.safetensors"
RESUME_NAME = "resume.pt"
RESULT_NAME = "result.json"
LOCK_NAME = "train.lock"

_SETTINGS = {entry.name: entry for entry in fields(TrainConfig) if "help" in entry.metadata}
_DEFAULT_TEXTS = {
    "learning_rate": "the recipe's; of another optimizer than the recipe's, the library's own"
}
_WITHOUT_DISTORTIONS: dict[str, Any] = {
    name: _SETTINGS[name].default
    for name in ("interpolation", "scaling", "shear_degrees", "elastic")
}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "train", help="train one network; the defaults are the baseline recipe"
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"one of {', '.join(RECIPES)}, from which the other options depart "
        "(default: baseline)",
    )
    add_data_arguments(parser)
    for entry in _SETTINGS.values():
        _add_setting(parser, entry)
    parser.add_argument(
        "--augmentation",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help=f"one of {', '.join(AUGMENTATIONS)}, from which the other options depart, in the "
        f"place of the recipe's: {AUGMENTATION_HELP} (default: the recipe's, whatever the data "
        "set)",
    )
    add_assignments(
        parser,
        "--option",
        "an argument of the optimizer's constructor, such as weight_decay=0.1 or "
        "'betas=[0.9, 0.95]'",
    )
    add_assignments(parser, "--network-option", NETWORK_OPTION_HELP)
    add_device_arguments(parser)
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the run (default: a new one)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --output where it stopped, with its own options; those that are "
        "named must agree",
    )
    parser.set_defaults(run=run, device=None)  # of a resumed run, its own


def _add_setting(parser: argparse.ArgumentParser, entry: Field[Any]) -> None:
    """Add a field of `TrainConfig` as an option."""
    kind, text = type(entry.default), entry.metadata["help"]
    choices = ", ".join(entry.metadata["choices"])
    default = "no" if entry.default is False else entry.default
    parser.add_argument(
        f"--{entry.name.replace('_', '-')}",
        default=argparse.SUPPRESS,
        help=f"{text}{f'; one of {choices}' if choices else ''} "
        f"(default: {_DEFAULT_TEXTS.get(entry.name, default)})",
        **(
            {"action": argparse.BooleanOptionalAction}
            if kind is bool
            else {"type": kind, "metavar": kind.__name__.upper()}
        ),
    )


def _config(options: argparse.Namespace, base: TrainConfig, dataset_name: str) -> TrainConfig:
    """Return what the options make of a configuration."""
    named = {name: getattr(options, name) for name in _SETTINGS if hasattr(options, name)}
    changes: dict[str, Any] = {}
    if hasattr(options, "augmentation"):
        augmentation = dataset_spec(dataset_name).augmentation(options.augmentation)
        changes |= {**_WITHOUT_DISTORTIONS, **augmentation.settings()}
    if named.get("optimizer", base.optimizer) != base.optimizer:
        changes["optimizer_options"] = {}
        if "learning_rate" not in named:
            changes["learning_rate"] = default_learning_rate(named["optimizer"])
    if "network" in named:  # as it is registered: the recipe's options are of its own network
        changes["network_options"] = {}
    for name, flag in (("optimizer_options", "--option"), ("network_options", "--network-option")):
        kept = changes.get(name, getattr(base, name))
        changes[name] = {**kept, **assignments(flag, getattr(options, flag[2:].replace("-", "_")))}
    return replace(base, dataset=dataset_name, **{**changes, **named})


def run(options: argparse.Namespace) -> int:
    """Train, save, evaluate on the test split once, and print the result."""
    require_choice(options.dataset)  # wrong options are refused before anything is loaded
    if options.resume:
        config = _resumed_config(options)
        dataset = load_dataset(options, name=config.dataset)
    else:
        base = recipe(options.recipe or "baseline")
        _config(options, base, "mnist" if options.dataset == AUTO else options.dataset)
        options.device = options.device or "cpu"
        dataset = load_dataset(options)
        config = _config(options, base, dataset.name)
    from mnist_core.data.splits import require_batch_fits

    trained_on = dataset.for_training(on_validation=config.train_on_validation)
    require_batch_fits(trained_on, config.batch_size)
    folder = _make_folder(options, dataset)
    refusal = f"another process is training in {folder}; wait for it, or name another --output"
    with (
        locked(folder / LOCK_NAME, refusal=refusal),
        with_hint(lambda: _how_to_resume(folder, options)),
    ):
        names = (CHECKPOINT_NAME, RESUME_NAME, RESULT_NAME)
        is_there = any((folder / name).exists() for name in names)
        if is_there and not options.resume:
            raise UserError(
                f"{folder} already holds a run; add --resume, or name another --output"
            )
        return _train(config, dataset, folder, device=options.device)


def _resumed_config(options: argparse.Namespace) -> TrainConfig:
    """Return the configuration of the run in --output, with which the options must agree; device
    and threads that are not named are its own."""
    if options.output is None:
        raise UserError("--resume needs --output, the folder of the run to continue")
    path = options.output / RESUME_NAME
    if not path.exists():
        raise UserError(
            f"nothing to resume: {options.output} holds no {RESUME_NAME}; start without --resume"
        )
    from mnist_core.training import resume

    saved = resume.read(path)
    base = recipe(options.recipe) if options.recipe else saved.config
    name = saved.config.dataset if options.dataset == AUTO else options.dataset
    resume.require_config(path, saved.config, _config(options, base, name))
    options.device = options.device or saved.device
    options.threads = saved.threads if options.threads is None else options.threads
    return saved.config


def _make_folder(options: argparse.Namespace, dataset: Dataset) -> Path:
    """Return the folder of the run, which is there and can be written."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder = Path("runs", f"{dataset.name}-train-{stamp}")
    try:
        if options.output is None:
            folder = new_folder(folder)
        else:
            folder = folder_for(options.output, notice=dataset.notice, name=dataset.name)
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into the folder {folder}: {error.strerror}; name another --output"
        ) from error
    require_writable(folder, option="--output")
    return folder


def _how_to_resume(folder: Path, options: argparse.Namespace) -> str:
    if not (folder / RESUME_NAME).exists():
        return "Nothing was finished yet; the same command starts again"
    words = ["python", "-m", "mnist_core", "train", "--resume", "--output", str(folder)]
    if options.data_dir is not None:
        words += ["--data-dir", str(options.data_dir)]
    return f"What was finished is on disk; continue with:\n  {shlex.join(words)}"


def _train(config: TrainConfig, dataset: Dataset, folder: Path, *, device: str) -> int:
    from mnist_core.cli.progress import ProgressDisplay
    from mnist_core.optim.registry import capture_notes
    from mnist_core.runtime.atomic_files import write_json
    from mnist_core.training.evaluation import evaluate
    from mnist_core.training.loop import train

    count = len(dataset.for_training(on_validation=config.train_on_validation).train)
    print(f"configuration {config.digest()}: {json.dumps(config.to_dict())}")
    print(f"data: {dataset.label}, {count:,} images to train on; output: {folder}")
    if config.train_on_validation:
        print("the validation images are trained on: their accuracy says nothing of other images")
    for note in capture_notes([config.optimizer], device=device):
        print(note)
    with contextlib.closing(ProgressDisplay(epochs=config.epochs)) as display:
        result = train(
            config,
            dataset,
            resume_file=folder / RESUME_NAME,
            checkpoint=folder / CHECKPOINT_NAME,
            observe=display.observe,
        )
    if result.status == "diverged":
        write_json(folder / RESULT_NAME, _record(dataset, result, None))
        print(f"diverged at step {result.diverged_at_step}: the loss is not finite, or exploded.")
        print("A smaller --learning-rate may help. No test accuracy is given.")
        return 1
    test = evaluate(result.model, dataset, dataset.test)
    write_json(folder / RESULT_NAME, _record(dataset, result, test))
    low, high = test.interval()
    print(
        f"{dataset.label}: test accuracy {test.accuracy:.2%}, 95 % interval {low:.2%} to "
        f"{high:.2%} (Wilson, {test.count:,} images, one seed)"
    )
    print(f"weights {result.weights_sha256[:16]}, {result.images_per_second:,.0f} images/s")
    return 0


def _record(dataset: Dataset, result: TrainResult, test: Evaluation | None) -> dict[str, Any]:
    from mnist_core.runtime.provenance import environment

    return {
        "config": result.config.to_dict(),
        "status": result.status,
        "steps": result.steps,
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "weights_sha256": result.weights_sha256,
        "images_per_second": result.images_per_second,
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "test": None
        if test is None
        else {"correct": test.correct, "count": test.count, "interval": test.interval()},
        "environment": environment(dataset.train.labels.device),
    }
