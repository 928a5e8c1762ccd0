"""The command line that all studies share: the options of a plan, and those of where it runs."""

import argparse
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mnist_core.cli.arguments import add_data_arguments
from mnist_core.data.registry import AUGMENTATION_HELP, AUTO, require_choice
from mnist_core.data.spec import AUGMENTATIONS
from mnist_core.errors import UserError
from mnist_core.optim.schedules import SCHEDULES
from study.execution.options import RunOptions
from study.plans.base import StudyPlan
from study.plans.choices import PRUNERS, SAMPLERS

AUTO_SEEDS = (5, 20)
STORAGE_VARIABLE = "STUDY_STORAGE"
_HELP = {
    "trials": "training runs of the whole search, shared out equally",
    "epochs": "passes over the train split, of every run",
    "batch_size": "images per step",
    "schedule": f"one of {', '.join(SCHEDULES)}",
    "augmentation": f"one of {', '.join(AUGMENTATIONS)}; {AUGMENTATION_HELP}",
    "pruner": "; ".join(f"{name}: {text}" for name, text in PRUNERS.items())
    + ". Others than none need --schedule constant and several epochs",
    "confirm_seeds": "fresh seeds for each configuration that is confirmed; auto: "
    f"{AUTO_SEEDS[0]}, and up to {AUTO_SEEDS[1]} for the tuned ones that are undecided",
    "max_confirm_seeds": "the seeds up to which undecided ones are taken, in steps of "
    "--confirm-seeds; 0: no further than --confirm-seeds",
    "target_accuracy": "validation accuracy to which the report gives the time",
    "seed": "decides the trials, their training and the confirmation's seeds",
    "device": "cpu or cuda",
    "threads": "CPU threads of each worker",
}


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _seeds(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or auto, got {text!r}") from None


def parser_for(
    kind: type[StudyPlan], *, description: str, epilog: str, help_texts: Mapping[str, str]
) -> argparse.ArgumentParser:
    """Return the parser of a kind of study; options of the plan that are not given are absent
    from what it parses. `help_texts` are those of the kind's own options."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {kind.MODULE}", description=description, epilog=epilog
    )
    samplers = "; ".join(f"{name}: {SAMPLERS[name]}" for name in kind.SAMPLER_NAMES)
    texts = {**_HELP, "sampler": samplers, **help_texts}
    converters: dict[str, Any] = {kind.ARMS: names, "confirm_seeds": _seeds}
    for name in kind.option_names()[1:]:  # without the data set
        default = getattr(kind, name)
        is_names = isinstance(default, tuple)
        default_text = ",".join(default) if is_names else default
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=converters.get(name, type(default)),
            default=argparse.SUPPRESS,
            metavar="NAMES" if is_names else type(default).__name__.upper(),
            help=f"{texts[name]} (default: {default_text})",
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
        help="a run that shows no progress for so long is taken for lost, and started again "
        "(default: 120)",
    )
    add_output_arguments(parser, kind="study")
    return parser


def add_output_arguments(parser: argparse.ArgumentParser, *, kind: str) -> None:
    """Add --output and --resume."""
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the run (default: a new one)"
    )
    parser.add_argument(
        "--resume", action="store_true", help=f"continue the {kind} in --output where it stopped"
    )


def given_options(options: argparse.Namespace, kind: type[StudyPlan]) -> dict[str, Any]:
    """Return the plan's options that the command line named."""
    known = kind.option_names()
    given = {name: value for name, value in vars(options).items() if name in known}
    if given.get("confirm_seeds") == "auto":
        first, most = AUTO_SEEDS
        given = {"max_confirm_seeds": most, **given, "confirm_seeds": first}
    return given


def run_options(options: argparse.Namespace) -> RunOptions:
    """Return where and how a study runs, once what cannot be is refused."""
    if options.workers is not None and options.workers < 1:
        raise UserError(f"workers must be >= 1, got {options.workers}")
    if options.stale_after < 1:
        raise UserError(f"stale_after must be >= 1 second, got {options.stale_after}")
    if options.storage:
        _require_shareable(options)
    elif options.study_name is not None:
        raise UserError("--study-name needs --storage: a local study is named by its --output")
    if options.resume and options.output is None:
        raise UserError("--resume needs --output, the folder of the study to continue")
    if options.resume and not (options.output / "plan.json").exists():
        raise UserError(
            f"nothing to resume: {options.output} holds no plan.json; start without --resume"
        )
    return RunOptions(
        data_dir=options.data_dir,
        workers=options.workers,
        output=options.output,
        resume=options.resume,
        stale_after_seconds=options.stale_after,
        storage=options.storage or None,
        study_name=options.study_name,
    )


def _require_shareable(options: argparse.Namespace) -> None:
    from study.execution.distributed.postgres import parse_url

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
    if getattr(options, "pruner", None) == "hyperband":
        raise UserError(
            "pruner 'hyperband' cannot be used with --storage: it sorts trials by Optuna's "
            "numbers, which runs that are lost and started again shift; use median, or none"
        )


def run(
    parsed: argparse.Namespace,
    kind: type[StudyPlan],
    *,
    given: Callable[[argparse.Namespace], Mapping[str, Any]] | None = None,
) -> int:
    """Run a study of a kind, here or shared; return the exit code. A wrong plan is refused before
    anything is loaded. `given` returns the plan's options, where they are not the plain ones."""
    values = given(parsed) if given else given_options(parsed, kind)
    options = run_options(parsed)
    asked = values.get("dataset", AUTO)
    require_choice(asked)
    if options.resume:
        from study.execution.session import resume

        return resume(kind, values, options)
    plan = kind(**{name: v for name, v in values.items() if (name, v) != ("dataset", AUTO)})
    if options.storage:
        from study.execution.distributed.session import start
    else:
        from study.execution.session import start
    return start(plan, asked, options)
