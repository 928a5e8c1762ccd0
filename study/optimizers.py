"""Which optimizer, at which learning rate? A search at equal budgets, then a confirmation.

    python -m study.optimizers --trials 30
    python -m study.optimizers --optimizers adam,lion:Lion --space space.toml

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

from mnist_core.commands.arguments import add_data_arguments
from mnist_core.datasets import require_choice
from mnist_core.errors import UserError, run_command
from mnist_core.optimizers import OPTIMIZERS, require_known
from mnist_core.own_optimizers import is_own
from mnist_core.schedules import SCHEDULES
from study.plan import AUGMENTATIONS, PRUNERS, SAMPLERS, StudyPlan
from study.space_file import resolve

AUTO_SEEDS = (5, 20)
_HELP = {
    "optimizers": f"names, separated by commas, of {', '.join(OPTIMIZERS)}, or your own as "
    "package.module:Class",
    "trials": "training runs of the whole search, shared out equally",
    "epochs": "passes over the train split, of every run",
    "batch_size": "images per step",
    "schedule": f"one of {', '.join(SCHEDULES)}",
    "augmentation": f"one of {', '.join(AUGMENTATIONS)}; seed is rotation by up to 10 degrees and "
    "shifts by up to a tenth of the side",
    "sampler": "; ".join(f"{name}: {text}" for name, text in SAMPLERS.items()),
    "pruner": "; ".join(f"{name}: {text}" for name, text in PRUNERS.items())
    + ". Others than none need --schedule constant and several epochs",
    "confirm_seeds": "fresh seeds for each configuration that is confirmed; auto: "
    f"{AUTO_SEEDS[0]}, and up to {AUTO_SEEDS[1]} for the tuned ones that are undecided",
    "confirm_most": "the seeds up to which undecided ones are taken, in steps of --confirm-seeds; "
    "0: no further than --confirm-seeds",
    "target_accuracy": "validation accuracy to which the report gives the time",
    "seed": "decides the trials, their training and the confirmation's seeds",
    "device": "cpu or cuda",
    "threads": "CPU threads of each worker",
}


STORAGE_VARIABLE = "STUDY_STORAGE"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _seeds(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or auto, got {text!r}") from None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options of the plan are absent where they were not given."""
    parser = argparse.ArgumentParser(
        prog="python -m study.optimizers",
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog="Each of SGD, Nesterov momentum, … is searched over its own printed range of "
        "learning rates. Ctrl-C ends a study with what is done; --resume continues it.",
    )
    converters: dict[str, Any] = {"optimizers": _names, "confirm_seeds": _seeds}
    for field in fields(StudyPlan):
        if field.name in ("dataset", "spaces"):
            continue
        assert field.default is not MISSING
        is_names = isinstance(field.default, tuple)
        shown = ",".join(field.default) if is_names else field.default
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=converters.get(field.name, type(field.default)),
            default=argparse.SUPPRESS,
            metavar="NAMES" if is_names else type(field.default).__name__.upper(),
            help=f"{_HELP[field.name]} (default: {shown})",
        )
    parser.add_argument(
        "--space",
        type=Path,
        metavar="FILE",
        help="what is searched for each optimizer, in TOML (default: the learning rate, over the "
        "registry's range or a decade either side of the default in your class's signature)",
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
    """Return the plan's options that the command line named, and the search spaces that follow
    from them; those of a resumed study are in its plan."""
    names = [field.name for field in fields(StudyPlan)]
    given = {name: value for name, value in vars(options).items() if name in names}
    if given.get("confirm_seeds") == "auto":
        first, most = AUTO_SEEDS
        given = {"confirm_most": most, **given, "confirm_seeds": first}
    optimizers = given.get("optimizers", StudyPlan.optimizers)
    if not options.resume and (options.space or any(map(is_own, optimizers))):
        for name in optimizers:
            require_known(name)
        given["spaces"] = resolve(optimizers, options.space)
    return given


def check(options: argparse.Namespace) -> None:
    """Refuse, before anything is loaded, what no data set could make right."""
    given = given_options(options)
    dataset = given.pop("dataset", "auto")
    require_choice(dataset)
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
        if options.space is not None:
            raise UserError("--resume has its search spaces from plan.json; leave --space out")
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
