"""`python -m mnist_core evaluate` and `describe`: what they print, draw and refuse."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch

from mnist_core.__main__ import main
from mnist_core.data.registry import DATASETS
from mnist_core.data.splits import Dataset
from mnist_core.training.evaluation import Evaluation

CHECKPOINT = "checkpoint.safetensors"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train for one epoch on digits; return the folder."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    command = ["train", "--dataset", "digits", "--epochs", "1", "--threads", "1"]
    assert main([*command, "--output", str(folder)]) == 0
    return folder


def table_of(text: str) -> list[list[str]]:
    """Return the cells of the rows of a Markdown table."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def perfect(model, dataset: Dataset, split) -> Evaluation:
    return Evaluation(
        loss=0.0,
        correct=len(split),
        count=len(split),
        predictions=split.labels,
        labels=split.labels,
    )


def test_it_prints_accuracy_interval_confusion_matrix_and_classes(run, digits, capsys):
    assert main(["evaluate", str(run / CHECKPOINT), "--threads", "1"]) == 0
    text = capsys.readouterr().out
    test = json.loads((run / "result.json").read_text())["test"]
    low, high = test["interval"]
    assert text.startswith("digits (scikit-learn), test split, after 1 epochs: accuracy ")
    assert f"{test['correct'] / 300:.2%}, 95 % interval {low:.2%} to {high:.2%}" in text
    table = table_of(text)
    matrix = torch.tensor([[int(cell) for cell in row[1:11]] for row in table])
    assert [row[0] for row in table] == [str(digit) for digit in range(10)]
    assert torch.equal(matrix.sum(dim=1), torch.bincount(digits.test.labels))
    assert int(matrix.trace()) == test["correct"]
    for digit, row in enumerate(table):
        assert row[11] == f"{int(matrix[digit, digit]) / int(matrix[digit].sum()):.2%}"
        assert re.fullmatch(r"[\d.]+% to [\d.]+%", row[12])


def test_a_picture_of_the_misclassified_digits_lies_beside_the_checkpoint(run, capsys):
    assert main(["evaluate", str(run / CHECKPOINT), "--threads", "1"]) == 0
    picture = run / "misclassified-test.png"
    assert picture.read_bytes().startswith(PNG)
    assert f"misclassified digits: {picture}" in capsys.readouterr().out


def test_validation_images_that_were_trained_on_are_said_to_be_and_have_no_interval(
    tmp_path, capsys
):
    folder = tmp_path / "run"
    words = ["train", "--dataset", "digits", "--epochs", "1", "--batch-size", "399"]
    words += ["--threads", "1", "--train-on-validation", "--output", str(folder)]
    assert main(words) == 0
    said = {}
    for split in ("validation", "test"):
        capsys.readouterr()
        words = ["evaluate", str(folder / CHECKPOINT), "--split", split, "--threads", "1"]
        assert main(words) == 0
        said[split] = capsys.readouterr().out
    assert "the run was trained on these images too" in said["validation"]
    assert "95 %" not in said["validation"]
    assert {len(row) for row in table_of(said["validation"])} == {12}
    assert "trained on" not in said["test"]
    assert "95 % interval" in said["test"]
    assert {len(row) for row in table_of(said["test"])} == {13}


def test_the_validation_split_can_be_named_and_the_picture_too(run, capsys, tmp_path):
    picture = tmp_path / "picture.png"
    command = ["evaluate", str(run / CHECKPOINT), "--split", "validation", "--threads", "1"]
    assert main([*command, "--picture", str(picture)]) == 0
    recorded = json.loads((run / "result.json").read_text())["epochs"][0]["validation_accuracy"]
    assert f"validation split, after 1 epochs: accuracy {recorded:.2%}" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)
    assert not (run / "misclassified-validation.png").exists()


def test_a_perfect_network_gets_a_picture_without_digits(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("mnist_core.training.evaluation.evaluate", perfect)
    command = ["evaluate", str(run / CHECKPOINT), "--picture", str(tmp_path / "picture.png")]
    assert main(command) == 0
    assert "accuracy 100.00%" in capsys.readouterr().out
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG)


def test_an_unknown_split_is_refused_and_the_known_ones_named(run, capsys):
    assert main(["evaluate", str(run / CHECKPOINT), "--split", "train"]) == 2
    error = capsys.readouterr().err
    assert error == "error: unknown split 'train'; known: test, validation\n"


@pytest.mark.parametrize("damage", ["missing", "a folder", "empty", "truncated", "text"])
def test_a_checkpoint_that_is_none_is_refused_by_name(damage, run, capsys, tmp_path):
    path = tmp_path / CHECKPOINT
    content = (run / CHECKPOINT).read_bytes()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "truncated": content[:-9], "text": b"hello " * 99}[damage])
    assert main(["evaluate", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert str(path) in error
    assert "another" in error


def test_a_checkpoint_of_other_data_is_refused(fake_mnist, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    fake_mnist.place(tmp_path / "data")
    command = ["train", "--data-dir", "data", "--epochs", "1", "--batch-size", "10"]
    assert main([*command, "--threads", "1", "--output", "run"]) == 0
    other = replace(fake_mnist.spec, train_images=31, validation_images=9, sha256=None)
    monkeypatch.setitem(DATASETS, "mnist", other)
    assert main(["evaluate", f"run/{CHECKPOINT}", "--data-dir", "data"]) == 2
    error = capsys.readouterr().err
    assert f"run/{CHECKPOINT} was trained on other data than mnist here" in error
    assert "--data-dir" in error


def test_describe_prints_the_costs_of_each_layer_and_their_sums(capsys):
    assert main(["describe"]) == 0
    text = capsys.readouterr().out
    rows = {row[0]: row[1:] for row in table_of(text)}
    assert rows["conv3"] == ["Conv2d", "40×10×10", "11,560", "4,000", "2,304,000"]
    assert rows["total"][2] == "23,354"
    for column in (2, 3, 4):
        numbers = [int(row[column].replace(",", "")) for row in rows.values()]
        assert sum(numbers[:-1]) == numbers[-1]
    assert "Forward and backward: 23," in text


@pytest.mark.parametrize(
    ("folder", "reason"), [("nowhere", "No such file or directory"), ("file", "Not a directory")]
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_loaded(
    folder, reason, run, monkeypatch, capsys, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setattr("mnist_core.data.load.load", lambda *_, **__: pytest.fail("loaded"))
    picture = tmp_path / folder / "x.png"
    assert main(["evaluate", str(run / CHECKPOINT), "--picture", str(picture)]) == 2
    assert capsys.readouterr().err == (
        f"error: cannot write into the folder {picture.parent}: {reason}; name another --picture\n"
    )


def test_a_diverged_checkpoint_says_so(capsys, tmp_path):
    command = ["train", "--dataset", "digits", "--optimizer", "sgd", "--learning-rate", "1000"]
    assert main([*command, "--threads", "1", "--output", str(tmp_path)]) == 1
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "checkpoint.safetensors"), "--threads", "1"]) == 0
    steps = json.loads((tmp_path / "result.json").read_text())["steps"]
    assert capsys.readouterr().out.startswith(f"diverged at step {steps}: ")
