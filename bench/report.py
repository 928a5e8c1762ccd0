"""report.md and its pictures from a record, without measuring: `python -m bench.report RECORD`.

RECORD is a record.json or the folder it is in; the report comes beside it. A record of another
name, old.json, gets a folder of its own, old/. The same record gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.analysis import key_figures as headlines
from bench.analysis import record
from bench.analysis.record import Record
from bench.reporting import header as opening
from bench.reporting import plots, sections
from bench.reporting import reliability as closing
from mnist_core.errors import run_command
from mnist_core.runtime.atomic_files import write_atomically

FILE_NAME = "report.md"


def render(made: Record, pictures: list[str]) -> str:
    """Render the report of a record as Markdown."""
    parts = [
        opening.opening(made),
        opening.answers(headlines.headlines(made), made),
        opening.limits(made),
        sections.training(made, pictures),
        sections.loop(made, pictures),
        sections.latency(made, pictures),
        sections.throughput(made, pictures),
        sections.optimizers(made),
        sections.data(made),
        sections.profiles(made, pictures),
        closing.trust(made),
        closing.again(made),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(path: Path) -> Path:
    """Write the report and the pictures of a record, its file or its folder; return the report."""
    made = record.read(path)
    folder = folder_for(path)
    folder.mkdir(exist_ok=True)
    pictures = plots.draw(made, folder)
    write_atomically(folder / FILE_NAME, render(made, pictures))
    return folder / FILE_NAME


def folder_for(path: Path) -> Path:
    """Return where the report of a record goes: never over that of another record."""
    if path.is_dir():
        return path
    return path.parent if path.name == record.FILE_NAME else path.with_suffix("")


def main(arguments: list[str] | None = None) -> int:
    """Build a report again."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description="Build a report again from its record."
    )
    parser.add_argument("record", type=Path, metavar="RECORD", help="record.json or its folder")
    options = parser.parse_args(arguments)

    def command() -> int:
        print(f"wrote {write(options.record)}")
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
