"""The report of a study, built from its records alone.

    python -m study.report results/mnist/optimizers-…

writes report.md and the plots again, byte for byte, without training anything.
"""

import argparse
import sys
from pathlib import Path

from mnist_core.errors import run_command
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder


def main(arguments: list[str] | None = None) -> int:
    """Rebuild a report; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m study.report", description="build a study's report again from its records"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the study")
    options = parser.parse_args(arguments)

    def command() -> int:
        folder = RunFolder(options.run)
        if isinstance(folder.read_header()["plan"], RecipePlan):
            from study.reporting.recipe import write_report as write_recipe_report

            print(write_recipe_report(folder))
        else:
            from study.reporting.study import write_report

            print(write_report(folder))
        print(f"report: {options.run / 'report.md'}")
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
