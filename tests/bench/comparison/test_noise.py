"""bench.comparison.noise: what the report says of the cases, and that its commands make its folder
anew."""

from __future__ import annotations

import os
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import record
from bench.comparison import noise, revisions
from bench.comparison.verdicts import Blocks

COMMITTED = max((noise.FOLDER.parent / "cpu").glob("*/record.json"))
# Each stands for a command that takes minutes, and leaves what that would leave.
STUBS = {
    "pytest": 'mkdir -p runs/bench/cpu/$run && touch runs/bench/cpu/$run/record.json && echo "$@"',
    "sleep": "true",
    "python": 'shift; echo "$@"; while [ $# -gt 1 ]; do shift; done\n'
    'case "$1" in */*) touch "$1";; esac',
}


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    folder = tmp_path / "stubs"
    folder.mkdir()
    for name, lines in STUBS.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{lines}\n")
        path.chmod(0o755)
    return folder


def test_the_commands_of_the_report_pasted_in_order_make_its_folder(
    stubs: Path, tmp_path: Path
) -> None:
    runs, processes = noise.same_code("cpu"), noise.read_processes("cpu")
    report = noise.render("cpu", runs, processes)
    _, commands, _ = report[report.index("## Again") :].split("```")
    earlier = tmp_path / "runs" / "bench" / "cpu" / "earlier"
    earlier.mkdir(parents=True)
    (earlier / "record.json").touch()
    os.utime(earlier / "record.json", (0, 0))
    script = f"export run\n{commands.removeprefix('bash')}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / noise.FOLDER.relative_to(noise.ROOT) / "cpu"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert made == {
        noise.PROCESSES_FILE,
        *(f"{number}/record.json" for number in range(1, len(runs) + 1)),
    }
    assert "bench.compare HEAD HEAD --device cpu --pairs 10 --save results/" in done.stdout
    assert done.stdout.splitlines()[-1] == "bench.comparison.noise --device cpu"


def pairs(*names: str) -> dict[str, Blocks]:
    return {name: [([1.0], [1.0]), ([1.0], [1.1])] for name in names}


def test_the_report_tells_where_the_recorded_cases_are_not_those_that_are_compared() -> None:
    usual = revisions.usual("cpu")
    same = noise.render("cpu", [], pairs(*usual))
    assert "Not recorded" not in same
    assert "only where told" not in same
    other = noise.render("cpu", [], pairs(*usual[1:], "another case"))
    assert f"takes it unless told otherwise: {usual[0]}.\n" in other
    assert "Recorded, though it takes it only where told: another case.\n" in other


def test_a_figure_is_over_the_same_yardstick_in_whatever_order_cases_were_added() -> None:
    """With -k the seed's cases come last, as companions."""
    (whole,) = (run for run in [record.read(COMMITTED)] if run.complete)
    shuffled = replace(
        whole,
        groups=tuple(
            replace(group, cases=tuple(random.Random(1).sample(group.cases, len(group.cases))))
            for group in whole.groups
        ),
    )
    assert shuffled.groups != whole.groups
    assert noise.figures(shuffled) == noise.figures(whole)
