"""Which optimizer, at which learning rate? A search at equal budgets, then a confirmation.

    python -m study.optimizers --trials 30
    python -m study.optimizers --optimizers adam,lion:Lion --space space.toml

Writes report.md, plots and raw records into a new folder under results/.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnist_core.errors import UserError, run_command
from mnist_core.optim.custom import is_custom
from mnist_core.optim.registry import OPTIMIZERS, require_optimizer
from study import command_line
from study.plans.optimizers import OptimizerPlan
from study.plans.space_file import resolve


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options of the plan are absent where they were not given."""
    parser = command_line.parser_for(
        OptimizerPlan,
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog="Each of SGD, Nesterov momentum, … is searched over its own printed range of "
        "learning rates. Ctrl-C ends a study with what is done; --resume continues it.",
        help_texts={
            "optimizers": f"names, separated by commas, of {', '.join(OPTIMIZERS)}, or your own "
            "as package.module:Class"
        },
    )
    parser.add_argument(
        "--space",
        type=Path,
        metavar="FILE",
        help="what is searched for each optimizer, in TOML (default: the learning rate, over the "
        "registry's range or a decade either side of the default in your class's signature)",
    )
    return parser.parse_args(arguments)


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the plan's options that the command line named, and the search spaces that follow
    from them; those of a resumed study are in its plan."""
    given = command_line.given_options(options, OptimizerPlan)
    if options.resume:
        if options.space is not None:
            raise UserError("--resume has its search spaces from plan.json; leave --space out")
        return given
    optimizers = given.get("optimizers", OptimizerPlan.optimizers)
    if options.space or any(map(is_custom, optimizers)):
        for name in optimizers:
            require_optimizer(name)
        given["spaces"] = resolve(optimizers, options.space)
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a study; return the exit code."""
    options = parse(arguments)
    return run_command(lambda: command_line.run(options, OptimizerPlan, given=given_options))


if __name__ == "__main__":
    sys.exit(main())
