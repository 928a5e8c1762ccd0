"""bench.compare as a command: what it refuses and when, and what its exit code means."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from bench import compare
from bench.analysis import record
from bench.analysis.record import CaseRecord, Record
from bench.comparison import noise, revisions, verdicts
from bench.timing.remote import WorkerError
from bench.workloads import prepare as build
from bench.workloads.workload import Workload

NOISE = sorted(path.parent for path in (ROOT / "results/bench/noise/cpu").glob("*/record.json"))
CASE = "cpu: optimizer step/SGD + Nesterov"
BEFORE_SEED_RECIPE = "62eb971"


class FakeWorker:
    """A process of a revision that takes a time of its own for everything."""

    def __init__(self, folder: Path, *, seconds: float, fails_at: str) -> None:
        self.folder, self.seconds, self.fails_at = folder, seconds, fails_at

    def ask(self, command: str, **arguments: Any) -> Any:
        if command == self.fails_at:
            raise WorkerError("ImportError: no such name")
        values = {"where": str(self.folder), "prepare": self.seconds, "block": [self.seconds]}
        return values.get(command)

    def close(self) -> None:
        pass


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the processes: OLD takes a second for everything, NEW as long as is told."""

    def replaced(*, new: float = 1.0, fails_at: str = "") -> None:
        folders: list[Path] = []

        def start(folder: Path) -> FakeWorker:
            if folder not in folders:
                folders.append(folder)  # OLD's process is the first of the first pair
            seconds = (1.0, new)[folders.index(folder)]
            return FakeWorker(folder, seconds=seconds, fails_at=fails_at)

        monkeypatch.setattr(revisions, "revision_worker", start)

    return replaced


@pytest.mark.parametrize(
    ("new", "code", "words"),
    [
        (1.0, 0, "No difference shown in 1 cases."),
        (1.5, 3, f"{CASE}: slower"),
        (0.5, 0, f"{CASE}: faster"),
    ],
)
def test_which_of_two_revisions_is_slower_is_told_by_words_and_exit_code(
    new: float, code: int, words: str, processes, capsys: pytest.CaptureFixture[str]
) -> None:
    processes(new=new)
    assert compare.main([".", ".", "-k", "nesterov", "--pairs", "4"]) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("fails_at", ["where", "prepare", "block", "drop"])
def test_a_process_that_fails_is_wrong_input_and_never_slower(
    fails_at: str, processes, capsys: pytest.CaptureFixture[str]
) -> None:
    processes(fails_at=fails_at)
    assert compare.main([".", ".", "-k", "nesterov", "--pairs", "4"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(("error: OLD cannot", "error: NEW cannot"))
    assert "ImportError: no such name" in told
    assert "too old" in told


def test_no_exit_code_of_a_verdict_is_that_of_a_traceback_or_of_wrong_input() -> None:
    assert not {compare.EXIT_SLOWER, compare.EXIT_NOTHING_JUDGED} & {0, 1, 2, 130}


def slowed(run: Record, factor: float) -> Record:
    def case_of(case: CaseRecord) -> CaseRecord:
        return replace(case, blocks=tuple(tuple(factor * t for t in b) for b in case.blocks))

    groups = [replace(group, cases=tuple(map(case_of, group.cases))) for group in run.groups]
    return replace(run, groups=tuple(groups))


def without_reference(run: Record) -> Record:
    """Leave the seed's code out, which `slowed` would slow as well."""
    groups = [
        replace(
            group,
            cases=tuple(c for c in group.cases if c.workload.mode not in noise.YARDSTICKS),
        )
        for group in run.groups
    ]
    return replace(run, groups=tuple(groups))


def test_records_without_recorded_noise_are_an_exit_code_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = without_reference(record.read(NOISE[0]))
    run = replace(run, environment={**run.environment, "processor": "another one"})
    record.write(tmp_path / "old", run)
    record.write(tmp_path / "new", slowed(run, 3.0))
    code = compare.main([str(tmp_path / "old"), str(tmp_path / "new")])
    said = capsys.readouterr().out
    assert code == compare.EXIT_NOTHING_JUDGED
    assert "No difference" not in said
    cases = noise.figures(run)
    assert said.startswith(f"Not judged: {len(cases)} cases")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()]
    for name in cases:
        assert [name, "inconclusive (no noise recorded for it)", "3", "0"] in rows


def test_noise_recorded_too_seldom_is_told_apart_from_none() -> None:
    run = record.read(NOISE[0])
    weighed = compare.records(run, run, [run] * (verdicts.FEWEST - 1))
    assert not weighed.evidence
    assert {str(case) for case in weighed.unknown.values()} == {
        "inconclusive (noise recorded in 3 runs for it)"
    }


@pytest.mark.parametrize("name", ["nowhere/times.json", "."])
def test_where_times_cannot_be_saved_nothing_is_measured(
    name: str, tmp_path: Path, processes, capsys: pytest.CaptureFixture[str]
) -> None:
    processes(fails_at="where")
    assert compare.main([".", ".", "--save", str(tmp_path / name)]) == 2
    assert "--save must be a file in a folder that can be written" in capsys.readouterr().err


def test_the_times_are_saved(tmp_path: Path, processes) -> None:
    processes()
    path = tmp_path / "times.json"
    assert compare.main([".", ".", "-k", "nesterov", "--pairs", "4", "--save", str(path)]) == 0
    assert path.read_text().startswith(f'{{"{CASE}": [[[1.0, ')


@pytest.mark.parametrize("which", [0, 1])
def test_a_record_that_is_missing_beside_one_that_exists_is_called_so(
    which: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(NOISE[0]), str(NOISE[0])]
    arguments[which] = str(tmp_path / "missing")
    assert compare.main(arguments) == 2
    assert "missing' is neither a record that exists nor a revision" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--pairs", "0"), ("-k", ""), ("--device", "cpu"), ("--save", "times.json")]
)
def test_no_option_of_revisions_is_ignored_with_records(
    option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main([str(NOISE[0]), str(NOISE[0]), *option]) == 2
    assert "are for two revisions" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(workload: Workload) -> str | None:
        return "no CUDA device" if workload.device == "cuda" else None

    monkeypatch.setattr(build, "unavailable", unavailable)
    assert compare.main([".", ".", "--device", "cuda"]) == 2
    assert "cannot run here: no CUDA device" in capsys.readouterr().err


def test_an_interrupted_comparison_advises_no_option_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(revisions, "revision_worker", interrupted)
    assert compare.main([".", "."]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_times_of_old_and_new_keep_their_sides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start(folder: Path) -> FakeWorker:
        return FakeWorker(folder, seconds={"old": 1.0, "new": 2.0}[folder.name], fails_at="")

    monkeypatch.setattr(revisions, "revision_worker", start)
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    cases = revisions.comparable("cpu", pattern="nesterov")
    times = revisions.measure(old, new, cases, dataset_name="digits", pairs=4, say=lambda _: None)
    for blocks in times.values():
        assert len(blocks) == 4
        for before, after in blocks:
            assert (set(before), set(after)) == ({1.0}, {2.0})
            assert len(before) == len(after) == revisions.FEWEST_BLOCKS


def test_a_short_call_gets_more_blocks_and_a_long_one_never_too_few() -> None:
    assert revisions.block_count(1e-6) == revisions.MOST_BLOCKS == 16
    assert revisions.block_count(100.0) == revisions.FEWEST_BLOCKS == 6


@pytest.mark.slow
def test_a_revision_from_before_the_seeds_recipe_is_compared() -> None:
    try:
        commit = revisions.resolve(BEFORE_SEED_RECIPE)
    except compare.UserError:
        pytest.skip("the clone has no history")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-tree", "-r", "--name-only", commit, "mnist_core"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "plain_pytorch" not in listed
    (case,) = revisions.comparable("cpu", pattern=CASE)
    with revisions.checked_out(commit) as folder:
        worker = revisions.start(folder, side=revisions.OLD)
        try:
            assert worker.ask("prepare", workload=case.to_dict(), dataset="digits") > 0.0
        finally:
            worker.close()
