"""Replaying rows: which rows, what is said of a difference, and the bits of a real study."""

import argparse
import json
import re
import shutil
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from support.study_processes import RUNS, run
from support.study_samples import (
    DIGITS,
    ENVIRONMENT,
    change_record,
    make_plan,
    run_task,
    write_record,
    write_study,
)

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json
from study import replay
from study.analysis.replay_outcomes import compared, differences
from study.plans.task import confirmation_key, trial_key
from study.records.run_folder import RunFolder, numbered
from study.records.run_record import FinalScore, RunRecord
from study.reporting.study import write_report


def options(run, **chosen):
    values = {"run": run, "trial": None, "confirmation": None, "all": False}
    return argparse.Namespace(**{**values, **chosen})


def test_differences_are_named_to_the_leaf():
    was = {"threads": 1, "packages": {"torch": "2.14.0", "numpy": "2.4"}}
    now = {"threads": 2, "packages": {"torch": "2.15.0", "numpy": "2.4"}}
    assert differences(was, now) == [
        "packages.torch was 2.14.0, is 2.15.0",
        "threads was 1, is 2",
    ]
    assert differences(was, was) == []


def record_of(**changes: Any) -> RunRecord:
    """Return a record of two epochs and a test; what is named differs."""
    record = run_task(make_plan(epochs=2).trial_task("adam", 0, {"learning_rate": 0.01}))
    first, second = record.epochs
    known = {
        "weights_sha256": "a" * 64,
        "validation_accuracy": 0.98,
        "epochs": (
            replace(first, validation_accuracy=0.9),
            replace(second, validation_accuracy=0.98),
        ),
        "test": FinalScore(correct=480, count=500, loss=0.1, misclassified={}),
    }
    return replace(record, **{**known, **changes})


RECORD = record_of()


def line(again, *causes):
    return compared(RECORD, replace(RECORD, **again), causes=causes, environment={}).line


def test_a_different_row_says_by_how_much_and_why():
    text = line({"weights_sha256": "b" * 64, "validation_accuracy": 0.99}, "threads was 1, is 2")
    assert "different weights" in text
    assert "was 0.9800, is 0.9900 (+0.0100)" in text
    assert text.endswith("what differs: threads was 1, is 2")
    assert line({}) == f"trial-adam-000: identical (weights {'a' * 16})"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validation_accuracy": 0.97}, "validation accuracy was 0.9800, is 0.9700 (-0.0100)"),
        (
            {"test": replace(RECORD.score, correct=481)},
            "test accuracy was 0.9600, is 0.9620 (+0.0020), 480 of 500 and 481 of 500 correct",
        ),
        (
            {
                "epochs": (
                    replace(RECORD.epochs[0], validation_accuracy=0.8),
                    RECORD.epochs[1],
                )
            },
            "validation accuracy after epoch 1 was 0.9000, is 0.8000 (-0.1000)",
        ),
        ({"status": "diverged"}, "it completed then, and diverged now"),
    ],
)
def test_the_same_weights_with_other_accuracies_are_not_identical(change, words):
    text = line(change)
    assert text.startswith(
        f"trial-adam-000: different results of the same weights; {words}; what differs"
    )


def test_a_row_that_fails_now_says_so():
    failed = {"status": "failed", "error": "boom", "weights_sha256": None, "epochs": ()}
    assert line(failed, "x was 1, is 2") == (
        "trial-adam-000: fails now: boom; what differs: x was 1, is 2"
    )


class Pool:
    """Stands in for a WorkerPool: what it trains is what `run_task` gives, unless said."""

    raises: ClassVar[dict[str, Exception]] = {}

    def __init__(self, plan, *, folder, **_):
        write_json(folder / "environments" / "environment0.json", ENVIRONMENT)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def submit(self, task):
        future = Future()
        if task.arm in self.raises:
            future.set_exception(self.raises[task.arm])
        else:
            future.set_result(run_task(task))
        return future


@pytest.fixture
def synthetic(tmp_path, monkeypatch, digits):
    """Write a study whose rows are trained in no time."""
    monkeypatch.setattr("study.execution.pool.WorkerPool", Pool)
    plan = make_plan(trials=4, confirm_seeds=2)
    return write_study(tmp_path / "run", plan, data={**DIGITS, "sha256": digits.sha256})


def make_reproducible(folder):
    """Give every record the accuracies that training it again gives."""
    for record in folder.read_records().values():
        write_record(folder, run_task(record.to_task()))


def test_rows_without_weights_are_told_and_cost_nothing(synthetic, capsys):
    make_reproducible(synthetic)
    failed = {"status": "failed", "error": "boom", "weights_sha256": None, "epochs": ()}
    change_record(synthetic, trial_key("sgd", 1), **failed)
    assert replay.main([str(synthetic.path), "--all"]) == 0
    said = capsys.readouterr().out
    assert "trial-sgd-001: skipped: it failed, and has no final weights to compare\n" in said
    assert said.endswith("\n11 of 11 rows identical, 1 skipped\n")


def test_other_data_are_trained_on_and_named(synthetic, capsys):
    header = json.loads(synthetic.plan_file.read_text())
    header["data"]["sha256"] = "e" * 64
    synthetic.plan_file.write_text(json.dumps(header))
    assert replay.main([str(synthetic.path), "--all"]) == replay.EXIT_DIFFERENT
    said = capsys.readouterr().out
    assert said.startswith(f"note: the data, whose SHA-256 was {'e' * 64}, is ")
    assert "; validation accuracy was 0.9" in said
    assert f"what differs: the data, whose SHA-256 was {'e' * 64}, is " in said
    assert said.splitlines()[-1].startswith("0 of 12 rows identical, 12 different")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("there is no module 'lion'"), "because there is no module 'lion'\n"),
        (BrokenProcessPool(), "because a worker process died (out of memory?)\n"),
    ],
)
def test_a_row_that_cannot_be_trained_keeps_no_other_from_it(
    synthetic, error, words, capsys, monkeypatch
):
    make_reproducible(synthetic)
    monkeypatch.setattr(Pool, "raises", {"sgd": error})
    assert replay.main([str(synthetic.path), "--all"]) == replay.EXIT_DIFFERENT
    said = capsys.readouterr().out
    assert f"trial-sgd-000: cannot be replayed {words}" in said
    assert said.endswith("\n6 of 12 rows identical, 6 cannot be replayed\n")


def test_an_absent_device_is_an_outcome_of_every_row(synthetic, capsys, monkeypatch):
    def absent(**_):
        raise UserError("CUDA is not available")

    monkeypatch.setattr("mnist_core.runtime.device.prepare_process", absent)
    assert replay.main([str(synthetic.path), "--all"]) == replay.EXIT_DIFFERENT
    said = capsys.readouterr().out
    assert said.count(": cannot be replayed because CUDA is not available\n") == 12
    assert said.endswith("\n0 of 12 rows identical, 12 cannot be replayed\n")


def test_a_changed_source_is_the_cause_of_its_own_rows_alone(synthetic, capsys, monkeypatch):
    monkeypatch.setattr(
        "study.plans.optimizers.OptimizerPlan.changes",
        lambda plan, entries: [f"{name} changed" for name in entries if name == "sgd"],
    )
    replay.main([str(synthetic.path), "--all"])
    said = capsys.readouterr().out
    assert said.startswith("note: sgd changed\n")
    lines = [
        line
        for line in said.splitlines()
        if ": different weights" in line or ": different results" in line
    ]
    assert {"sgd changed" in line for line in lines if "-sgd-" in line} == {True}
    assert {"sgd changed" in line for line in lines if "-adam-" in line} == {False}


def test_the_outcome_of_all_rows_is_kept(synthetic, capsys):
    make_reproducible(synthetic)
    assert replay.main([str(synthetic.path), "--all", "--keep"]) == 0
    kept = json.loads((synthetic.path / "replay.json").read_text())
    assert kept["summary"] == "12 of 12 rows identical"
    assert kept["environment"] == ENVIRONMENT
    assert len(kept["rows"]) == 12
    page = (synthetic.path / "replay.md").read_text()
    assert "\n12 of 12 rows identical. " in page
    assert f"- {kept['date']}\n- commit `{'c' * 12}`; A Processor, 2 cores" in page
    assert "Python 3.11.0, torch 2.15.0" in page
    assert re.search(r"\| `trial-adam-000` +\| identical \(weights ", page)
    assert write_report(synthetic)  # it is no part of what the report is built from


@pytest.mark.slow
def test_rows_are_counted_as_the_report_counts_them(undisturbed):
    plan, records = undisturbed.read_header()["plan"], undisturbed.read_records()
    rows = numbered(plan, records)
    assert [row[:2] for row in rows[:2]] == [("trial", 1), ("trial", 2)]
    assert rows[1][2].key == trial_key("adam", 0)
    assert rows[4][2].key == confirmation_key("sgd", "tuned", 0)
    chosen = replay.chosen_records(options(undisturbed.path, all=True), undisturbed)
    assert len(chosen) == len(records) == RUNS
    chosen = replay.chosen_records(options(undisturbed.path, confirmation=4), undisturbed)
    assert [record.key for record in chosen] == [confirmation_key("adam", "tuned", 1)]
    with pytest.raises(UserError, match=r"trial must be the number of one of the 4 .* got 5"):
        replay.chosen_records(options(undisturbed.path, trial=5), undisturbed)


@pytest.mark.slow
def test_every_row_of_a_study_replays_and_an_altered_one_is_told(undisturbed, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(undisturbed.path, altered)
    key = trial_key("adam", 0)
    config = RunFolder(altered).read_records()[key].config
    config = replace(config, learning_rate=1.01 * config.learning_rate)
    change_record(RunFolder(altered), key, config=config)
    completed = run(tmp_path, altered, "--all", "--workers", 2, module="study.replay")
    assert completed.returncode == replay.EXIT_DIFFERENT, completed.stderr
    assert f"{RUNS - 1} of {RUNS} rows identical" in completed.stdout
    assert "trial-adam-000: different weights" in completed.stdout


@pytest.mark.parametrize(
    "words", [["--trial", "1"], ["--all", "--workers", "0"], ["--trial", "1", "--keep"]]
)
def test_bad_input_ends_with_code_2_and_one_line(words, tmp_path, capsys):
    assert replay.main([str(tmp_path), *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")
