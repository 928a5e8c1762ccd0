"""bench.compare as a command: what it refuses and when, and what its exit code means."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import compare
from bench.comparison import revisions
from bench.timing.remote import WorkerError
from bench.workloads.workload import Workload
from mnist_core.errors import UserError

CASE = "cpu: optimizer step/SGD + Nesterov"
BEFORE_THE_FOLDERS = "c09fb68"


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


def test_too_much_noise_is_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = itertools.cycle([1.0, 3.0, 2.0, 0.5, 1.5])

    def start(folder: Path) -> FakeWorker:
        return FakeWorker(folder, seconds=next(seconds), fails_at="")

    monkeypatch.setattr(revisions, "revision_worker", start)
    code = compare.main([".", ".", "-k", "nesterov", "--pairs", "4"])
    assert code == compare.EXIT_NOTHING_JUDGED
    assert capsys.readouterr().out.startswith("Nothing judged: in all 1 cases")


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["HEAD", "no-such-revision"], "revisions that git knows, or '.', got 'no-such-revision'"),
        (["results/bench/cpu/20261126T034507Z", "."], "must be revisions that git knows"),
        (["HEAD", ".", "--pairs", "3"], "--pairs must be >= 4, got 3"),
        (["HEAD", ".", "-k", "no such case"], "no case has 'no such case' in its name"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(arguments) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_a_device_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(workload: Workload) -> str | None:
        return "no CUDA device" if workload.device == "cuda" else None

    monkeypatch.setattr(revisions, "unavailable", unavailable)
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


def test_a_revision_from_before_the_folders_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        revisions.resolve(BEFORE_THE_FOLDERS)
    except UserError:
        pytest.skip("the clone has no history")
    assert compare.main([BEFORE_THE_FOLDERS, "."]) == 2
    message = capsys.readouterr().err
    assert "a revision must have mnist_core.training" in message
    assert "compare later revisions" in message
    assert message.count("\n") == 1
