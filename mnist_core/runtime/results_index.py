"""The index of a results folder: a Markdown file with one table per kind of run.

Each line is keyed by the folder that it links to; a line is added, or replaced, under a lock, so
that two runs that end at once both appear.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.formatting import cell

RESULTS = Path("results")
_TITLE = """# Results

Generated: every report is built from the raw records beside it. Newest first.
"""


def add_run(
    folder: Path,
    *,
    dataset: str,
    section: str,
    title: str,
    header: Sequence[str],
    cells: Sequence[str],
) -> None:
    """Add a run's folder to results/README.md, or to the data set's own index where it is not
    MNIST; an output elsewhere keeps its report to itself."""
    root = RESULTS if dataset == "mnist" else RESULTS / dataset
    try:
        key = folder.resolve().relative_to(root.resolve())
    except ValueError:
        return
    index = root / "README.md"
    add_line(index, section=section, title=title, header=header, key=key.as_posix(), cells=cells)


def add_line(
    index: Path, *, section: str, title: str, header: Sequence[str], key: str, cells: Sequence[str]
) -> None:
    """Add a row to the table of `section` in the file `index`, or replace the row of `key`.

    `key` is the path of the run's folder relative to the index; the row ends with a link to its
    report. Rows are ordered by their first cell, which says when the run started, newest first.
    """
    with FileLock(index.parent / ".index.lock"):
        text = index.read_text() if index.exists() else _TITLE
        start, end = f"<!-- {section} -->", f"<!-- /{section} -->"
        if start not in text:
            text = f"{text.rstrip()}\n\n## {title}\n\n{start}\n{end}\n"
        before, rest = text.split(start, 1)
        body, after = rest.split(end, 1)
        rows = {
            match.group(1): line
            for line in body.splitlines()
            if (match := re.search(r"\[report\]\((.+)/report\.md\)", line))
        }
        rows[key] = f"| {' | '.join(map(cell, cells))} | [report]({key}/report.md) |"
        started = {name: row.split(" | ")[0] for name, row in rows.items()}
        oldest_first = sorted(rows, key=lambda name: (started[name], Path(name).name, name))
        table = [
            f"| {' | '.join(header)} | |",
            f"|{':--|' * (len(header) + 1)}",
            *(rows[name] for name in reversed(oldest_first)),
        ]
        body = "\n" + "\n".join(table) + "\n"
        write_atomically(index, before + start + body + end + after)
