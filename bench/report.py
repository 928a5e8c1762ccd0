"""report.md and its pictures from a record, without measuring: `python -m bench.report RECORD`.

RECORD is a record.json or the folder it is in; the report comes beside it. A record of another
name, old.json, gets a folder of its own, old/. The same record gives the same bytes.
"""

import argparse
import sys
from pathlib import Path

from bench.reporting import page
from mnist_core.errors import run_command


def main(arguments: list[str] | None = None) -> int:
    """Build a report again."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description="Build a report again from its record."
    )
    parser.add_argument("record", type=Path, metavar="RECORD", help="record.json or its folder")
    options = parser.parse_args(arguments)

    def command() -> int:
        print(f"wrote {page.write(options.record)}")
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
