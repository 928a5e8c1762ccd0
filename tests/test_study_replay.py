"""Replaying rows: which rows, what is said of a difference, and the bits of a real study."""

import argparse
import json
import shutil

import pytest

from mnist_core.errors import UserError
from study import replay
from study.records import RunFolder, confirmation_key, numbered, trial_key

from .study_processes import RUNS, run


def options(run, **chosen):
    values = {"run": run, "trial": None, "confirmation": None, "all": False}
    return argparse.Namespace(**{**values, **chosen})


def test_differences_are_named_to_the_leaf():
    was = {"threads": 1, "packages": {"torch": "2.14.0", "numpy": "2.4"}}
    now = {"threads": 2, "packages": {"torch": "2.15.0", "numpy": "2.4"}}
    assert replay.differences(was, now) == [
        "packages.torch was 2.14.0, is 2.15.0",
        "threads was 1, is 2",
    ]
    assert replay.differences(was, was) == []


def test_a_different_row_says_by_how_much_and_why():
    record = {"key": "trial-adam-000", "weights_sha256": "a" * 64, "validation_accuracy": 0.98}
    again = {**record, "weights_sha256": "b" * 64, "validation_accuracy": 0.99}
    text = replay.compare(record, again, environment_differences=["threads was 1, is 2"])
    assert "different weights" in text
    assert "was 0.9800, is 0.9900 (+0.0100)" in text
    assert "threads was 1, is 2" in text
    same = replay.compare(record, record, environment_differences=[])
    assert same.startswith("trial-adam-000: identical")


@pytest.mark.slow
def test_rows_are_counted_as_the_report_counts_them(undisturbed):
    plan, records = undisturbed.read_header()["plan"], undisturbed.read_records()
    rows = numbered(plan, records)
    assert [row[:2] for row in rows[:2]] == [("trial", 1), ("trial", 2)]
    assert rows[1][2]["key"] == trial_key("adam", 0)
    assert rows[4][2]["key"] == confirmation_key("sgd", "tuned", 0)
    chosen = replay.chosen_records(options(undisturbed.path, all=True), undisturbed)
    assert len(chosen) == len(records) == RUNS
    chosen = replay.chosen_records(options(undisturbed.path, confirmation=4), undisturbed)
    assert [record["key"] for record in chosen] == [confirmation_key("adam", "tuned", 1)]
    with pytest.raises(UserError, match=r"trial must be the number of one of the 4 .* got 5"):
        replay.chosen_records(options(undisturbed.path, trial=5), undisturbed)


@pytest.mark.slow
def test_every_row_of_a_study_replays_and_an_altered_one_is_told(undisturbed, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(undisturbed.path, altered)
    file = RunFolder(altered).record_file(trial_key("adam", 0))
    record = json.loads(file.read_text())
    record["config"]["learning_rate"] *= 1.01
    file.write_text(json.dumps(record))
    completed = run(tmp_path, altered, "--all", "--workers", 2, module="study.replay")
    assert completed.returncode == replay.EXIT_DIFFERENT, completed.stderr
    assert f"{RUNS - 1} of {RUNS} rows identical" in completed.stdout
    assert "trial-adam-000: different weights" in completed.stdout


@pytest.mark.parametrize("words", [["--trial", "1"], ["--all", "--workers", "0"]])
def test_bad_input_ends_with_code_2_and_one_line(words, tmp_path, capsys):
    assert replay.main([str(tmp_path), *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")
