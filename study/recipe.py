"""How well does a named recipe do, and in what time? On fresh seeds, each tested once.

    python -m study.recipe speed --seeds 10 --compare-with train-mnist-fast,pytorch-examples

Writes report.md, the raw records and the first run's network into a new folder under results/.
What was finished survives a kill: the same command with --resume continues it.
"""

import argparse
import sys
from collections.abc import Sequence

from mnist_core.cli.arguments import add_data_arguments, add_device_arguments
from mnist_core.config import TrainConfig
from mnist_core.data.registry import AUTO, require_choice
from mnist_core.errors import UserError, run_command
from mnist_core.recipes import RECIPES, recipe
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.device import available_cores
from study import command_line
from study.execution.options import RunOptions
from study.plans.recipe import RecipePlan


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m study.recipe", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="INT",
        help="runs, each of a fresh seed (default: 5)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="INT",
        help="from which the runs' seeds are derived; another one for runs of a recipe that has "
        "changed since its last were tested (default: 0)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="INT", help="instead of the recipe's own, for a quick look"
    )
    parser.add_argument(
        "--target-accuracy",
        type=float,
        default=RecipePlan.target_accuracy,
        metavar="FLOAT",
        help="what the mean test accuracy is held against (default: 0.99)",
    )
    parser.add_argument(
        "--compare-with",
        default="",
        metavar="NAMES",
        help="time other people's recipes between the runs, on the same machine: "
        + "; ".join(f"{name}: {entry.label}" for name, entry in REFERENCES.items()),
    )
    add_data_arguments(parser, dataset_default="mnist")
    add_device_arguments(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="INT",
        help="runs at the same time; they change no result but the times (default: 1)",
    )
    command_line.add_output_arguments(parser, kind="run")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> RecipePlan:
    """Return what the options ask for."""
    values = recipe(options.recipe).to_dict()
    if options.dataset != AUTO:
        values["dataset"] = options.dataset
    if options.epochs is not None:
        values["epochs"] = options.epochs
    return RecipePlan(
        recipe=options.recipe,
        config=TrainConfig.from_dict(values),
        seeds=options.seeds,
        seed=options.seed,
        target_accuracy=options.target_accuracy,
        compare_with=command_line.names(options.compare_with),
        device=options.device,
        threads=options.threads or available_cores(),
        workers=options.workers,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a recipe; return the exit code."""
    options = parse(arguments)

    def command() -> int:
        from study.execution.recipe_session import start

        if options.resume and options.output is None:
            raise UserError("--resume needs --output, the folder of the run to continue")
        require_choice(options.dataset)
        where = RunOptions(data_dir=options.data_dir, output=options.output, resume=options.resume)
        return start(plan_of(options), options.dataset, where)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
