"""The report of a study, built from its records alone.

    python -m study.report results/mnist/optimizers-…

writes report.md and the plots again, byte for byte, without training anything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mnist_core.errors import run_command
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder


def write_report(folder: RunFolder) -> str:
    """Write report.md and the plots of a run folder, and its search spaces where they are not the
    registry's; return the finding in one line."""
    from mnist_core.runtime.atomic_files import write_atomically
    from study.analysis.summary import summarise
    from study.analysis.trade_offs import trade_offs
    from study.execution import latency
    from study.plans.architectures import ArchitecturePlan
    from study.plans.space_file import to_toml
    from study.records import sessions as wall_time
    from study.records.incidents import read_incidents
    from study.reporting import finding as wording
    from study.reporting import plots
    from study.reporting import protocol as card
    from study.reporting import study as render

    summary = summarise(
        folder.read_header(),
        folder.read_records(),
        folder.read_environments(),
        incidents=read_incidents(folder.path),
    )
    plan, costs = summary.plan, None
    if isinstance(plan, ArchitecturePlan):
        costs = trade_offs(summary, latency.read(folder.path), limits=plan.limits)
    drawn = plots.draw_all(summary, folder.path, costs=costs)
    if plan.needs_space_file:
        write_atomically(folder.path / card.SPACE_NAME, to_toml(summary.plan.spaces))
    sessions = wall_time.read(folder.path)
    page = render.render(summary, drawn, costs=costs, sessions=sessions)
    write_atomically(folder.path / "report.md", page)
    return wording.headline(summary)


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
            print(write_report(folder))
        print(f"report: {options.run / 'report.md'}")
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
