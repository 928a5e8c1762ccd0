"""Which optimizer, at which learning rate? A search at equal budgets, then a confirmation.

    python -m study.optimizers --trials 30

Writes report.md, plots and raw records into a new folder under results/.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mnist_core.commands.arguments import DATASET_CHOICES, add_data_arguments
from mnist_core.errors import UserError, run_command, unknown_name
from mnist_core.optimizers import OPTIMIZERS
from mnist_core.schedules import SCHEDULES
from study.plan import AUGMENTATIONS, PRUNERS, SAMPLERS, StudyPlan

_HELP = {
    "optimizers": f"names, separated by commas, of {', '.join(OPTIMIZERS)}",
    "trials": "training runs of the whole search, shared out equally",
    "epochs": "passes over the train split, of every run",
    "batch_size": "images per step",
    "schedule": f"one of {', '.join(SCHEDULES)}",
    "augmentation": f"one of {', '.join(AUGMENTATIONS)}; seed is rotation by up to 10 degrees and "
    "shifts by up to a tenth of the side",
    "sampler": "; ".join(f"{name}: {text}" for name, text in SAMPLERS.items()),
    "pruner": "; ".join(f"{name}: {text}" for name, text in PRUNERS.items())
    + ". Others than none need --schedule constant and several epochs",
    "confirm_seeds": "fresh seeds for each configuration that is confirmed",
    "seed": "decides the trials, their training and the confirmation's seeds",
    "device": "cpu or cuda",
    "threads": "CPU threads of each worker",
}


STORAGE_VARIABLE = "STUDY_STORAGE"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options of the plan are absent where they were not given."""
    parser = argparse.ArgumentParser(
        prog="python -m study.optimizers",
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog="Each of SGD, Nesterov momentum, … is searched over its own printed range of "
        "learning rates. Ctrl-C ends a study with what is done; --resume continues it.",
    )
    for field in fields(StudyPlan):
        if field.name == "dataset":
            continue
        assert field.default is not MISSING
        is_names = isinstance(field.default, tuple)
        shown = ",".join(field.default) if is_names else field.default
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_names if is_names else type(field.default),
            default=argparse.SUPPRESS,
            metavar="NAMES" if is_names else type(field.default).__name__.upper(),
            help=f"{_HELP[field.name]} (default: {shown})",
        )
    add_data_arguments(parser, dataset_default=argparse.SUPPRESS)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="INT",
        help="processes that train at the same time; they change no result (default: the "
        "available cores over --threads; 1 on cuda)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the run (default: a new one)"
    )
    parser.add_argument(
        "--storage",
        default=os.environ.get(STORAGE_VARIABLE),
        metavar="URL",
        help="share the study with other processes, on any machine, through this PostgreSQL "
        "database: postgresql+psycopg://USER@HOST/DATABASE; the same command joins it (default: "
        f"the variable {STORAGE_VARIABLE}, else a local file in the run's folder)",
    )
    parser.add_argument(
        "--study-name",
        metavar="NAME",
        help="name of a shared study (default: made from the data and the options)",
    )
    parser.add_argument(
        "--stale-after",
        type=int,
        default=120,
        metavar="SECONDS",
        help="a run that shows no progress for so long is taken for lost, and begun again "
        "(default: 120)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the study in --output where it stopped"
    )
    return parser.parse_args(arguments)


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the plan's options that the command line named."""
    names = [field.name for field in fields(StudyPlan)]
    return {name: value for name, value in vars(options).items() if name in names}


def check(options: argparse.Namespace) -> None:
    """Refuse, before anything is loaded, what no data set could make right."""
    given = given_options(options)
    dataset = given.pop("dataset", "auto")
    if dataset not in DATASET_CHOICES:
        raise unknown_name("dataset", dataset, DATASET_CHOICES)
    if options.workers is not None and options.workers < 1:
        raise UserError(f"workers must be >= 1, got {options.workers}")
    if options.stale_after < 1:
        raise UserError(f"stale_after must be >= 1 second, got {options.stale_after}")
    if options.storage:
        _check_shared(options, given)
    elif options.study_name is not None:
        raise UserError("--study-name needs --storage: a local study is named by its --output")
    if options.resume:
        if options.output is None:
            raise UserError("--resume needs --output, the folder of the study to continue")
        if not (options.output / "plan.json").exists():
            raise UserError(
                f"nothing to resume: {options.output} holds no plan.json; start without --resume"
            )
    else:
        StudyPlan(**given)


def _check_shared(options: argparse.Namespace, given: dict[str, Any]) -> None:
    from study.postgres import parse_url

    parse_url(options.storage)
    if options.resume:
        raise UserError(
            "--resume continues a study in a local folder; a shared one (--storage, or the "
            f"variable {STORAGE_VARIABLE}) is joined by running the same command again"
        )
    if options.study_name is not None and not re.fullmatch(r"\w[\w.-]*", options.study_name):
        raise UserError(
            f"study_name must be letters, digits, '_', '-' and '.', got {options.study_name!r}"
        )
    if given.get("pruner") == "hyperband":
        raise UserError(
            "pruner 'hyperband' cannot be used with --storage: it sorts trials by Optuna's "
            "numbers, which runs that are lost and begun again shift; use median, or none"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a study; return the exit code."""
    options = parse(arguments)

    def command() -> int:
        check(options)
        if options.storage:
            from study.shared_session import run
        else:
            from study.session import run
        return run(options, given_options(options))

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
