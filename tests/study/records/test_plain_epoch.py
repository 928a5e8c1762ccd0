"""study.execution.plain_epoch: one epoch of the obvious script, timed beside a study."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from support.study_samples import make_plan

from mnist_core.errors import UserError
from study import optimizers, report
from study.execution import plain_epoch as obvious
from study.execution.plain_epoch import Beside

BESIDE = Beside(
    epochs=120,
    seconds=240.0,
    workers=2,
    threads=1,
    epoch_seconds=64.0,
    epoch_images=55_000,
    loader_workers=2,
    script_threads=2,
    device="cpu",
)


def test_the_ratio_is_of_as_many_epochs_to_the_session():
    assert BESIDE.ratio == 32.0
    text = obvious.section(BESIDE)
    assert "**32.0 times as long**" in text
    assert "120 epochs" in text


def test_it_is_read_as_it_was_written(tmp_path):
    assert obvious.read(tmp_path) is None
    obvious.write(tmp_path, BESIDE)
    assert obvious.read(tmp_path) == BESIDE


@pytest.mark.parametrize("text", ["{", "{}", '{"epochs": 1}', "[1]"])
def test_a_damaged_file_is_a_clear_error(text, tmp_path):
    (tmp_path / obvious.FILE).write_text(text)
    with pytest.raises(UserError, match="damaged"):
        obvious.read(tmp_path)


def test_one_epoch_of_the_script_sees_every_image_of_the_split(capsys):
    assert obvious.main(["--dataset", "digits", "--augmentation", "none"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["epoch_images"] == 1197
    assert outcome["epoch_seconds"] > 0
    assert replace(BESIDE, **outcome)


def test_epochs_are_those_of_the_sessions_records(tmp_path, monkeypatch):
    script = {"epoch_seconds": 2.0, "epoch_images": 9, "loader_workers": 1, "script_threads": 1}

    def run(words, **options):
        return subprocess.CompletedProcess(words, 0, stdout=json.dumps(script), stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    records = [{"epochs": [{}, {}]}, {"epochs": []}, {"epochs": [{}]}]
    arguments = {"seconds": 3.0, "workers": 1, "data_dir": None}
    obvious.measure(tmp_path, make_plan(), records, **arguments)
    measured = obvious.read(tmp_path)
    assert (measured.epochs, measured.ratio) == (3, 2.0)


def test_a_script_that_fails_loses_nothing_of_the_study(tmp_path, monkeypatch, capsys):
    def run(words, **options):
        return subprocess.CompletedProcess(words, 1, stdout="", stderr="no such thing")

    monkeypatch.setattr(subprocess, "run", run)
    arguments = {"seconds": 3.0, "workers": 1, "data_dir": None}
    obvious.measure(tmp_path, make_plan(), [{"epochs": [{}]}], **arguments)
    assert "no such thing" in capsys.readouterr().out
    assert obvious.read(tmp_path) is None


@pytest.mark.slow
def test_a_study_says_how_many_times_as_long_the_script_would_take(tmp_path):
    folder = tmp_path / "study"
    words = "--dataset digits --optimizers sgd,adam --trials 2 --confirm-seeds 2 --beside obvious"
    assert optimizers.main([*words.split(), "--output", str(folder)]) == 0
    beside = obvious.read(folder)
    assert beside.epochs == 10
    page = (folder / "report.md").read_text()
    assert f"**{beside.ratio:.1f} times as long**" in page
    assert report.main([str(folder)]) == 0
    assert (folder / "report.md").read_text() == page
