"""Which architecture, under a limit of parameters? A search at equal budgets, then a confirmation.

    python -m study.architectures --trials 24 --max-parameters 23354

Searches width, depth, pooling, activation, head, dropout and learning rate in families with and
without normalisation, and writes report.md, plots and raw records into a new folder under
results/. A limit of FLOPs (`--max-flops`) can be set too. There is none of latency: a measured
limit would make what is proposed depend on the machine and its load; the report has the latency
of every architecture instead.
"""

import argparse
import sys
from collections.abc import Sequence

from mnist_core.errors import run_command
from mnist_core.optim.registry import OPTIMIZERS
from study import command_line
from study.plans.architectures import ArchitecturePlan
from study.plans.families import FAMILIES


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options of the plan are absent where they were not given."""
    parser = command_line.parser_for(
        ArchitecturePlan,
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog="Every family has as many trials as the others. Ctrl-C ends a study with what is "
        "done; --resume continues it.",
        help_texts={
            "families": f"names, separated by commas, of {', '.join(FAMILIES)}",
            "optimizer": f"that trains all of them: one of {', '.join(OPTIMIZERS)}",
            "max_parameters": "that a proposed architecture may have, for the data set's images",
            "max_flops": "of one image's forward pass (2 × multiply-adds) that a proposed "
            "architecture may cost; 0: no limit",
        },
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a study; return the exit code."""
    options = parse(arguments)
    return run_command(lambda: command_line.run(options, ArchitecturePlan))


if __name__ == "__main__":
    sys.exit(main())
