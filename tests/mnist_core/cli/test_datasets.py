"""Every data set through the commands: train, resume, evaluate, export, describe, a study."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from support.dataset_files import written

from mnist_core.__main__ import main
from mnist_core.data.registry import DATASETS
from mnist_core.models.registry import architecture

CHECKPOINT = "checkpoint.safetensors"
FROM_FILES = [name for name, spec in DATASETS.items() if spec.source]
CHANNELS = {"cifar10": 3}
PARAMETERS = {"cifar10": 26_282}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def placed(request, monkeypatch):
    """The files of a small set, in the folder `data`."""
    small = written(request.param, train=60, validation=20, test=20).install(monkeypatch)
    small.place(Path("data"))
    return small


of_each = pytest.mark.parametrize("placed", FROM_FILES, indirect=True)


def train(name, *arguments: str) -> list[str]:
    command = ["train", "--dataset", name, "--data-dir", "data", "--epochs", "1", "--threads", "1"]
    return [*command, "--batch-size", "20", "--output", "run", *arguments]


def evaluate(*arguments: str) -> list[str]:
    return ["evaluate", f"run/{CHECKPOINT}", "--data-dir", "data", "--threads", "1", *arguments]


def refusal(capsys, *arguments: str) -> str:
    """Run a command that must be refused, and return why."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error
    return error


@of_each
def test_training_and_evaluating_name_the_data_set_its_classes_and_what_it_shows(placed, capsys):
    spec = placed.spec
    assert main(train(spec.name)) == 0
    said = capsys.readouterr().out
    assert f"data: {spec.label}, 60 images to train on" in said
    result = json.loads(Path("run/result.json").read_text())
    assert (result["data"]["name"], result["test"]["count"]) == (spec.name, 20)
    assert main(evaluate()) == 0
    said = capsys.readouterr().out
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in said.splitlines()
        if line.startswith("|")
    ]
    assert table[0] == [
        spec.shown, *(f"read as {name}" for name in spec.classes), "accuracy", "95 %"
    ]  # fmt: skip
    assert [row[0] for row in table[2:]] == list(spec.classes)
    counts = np.array([[int(cell) for cell in row[1:11]] for row in table[2:]])
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(placed.test[1]))
    assert f"misclassified {spec.shown}s: run/misclassified-test.png" in said
    assert Path("run/misclassified-test.png").stat().st_size > 1_000


@of_each
def test_a_run_is_continued_to_the_bits_that_it_would_have_had(placed, capsys):
    name = placed.spec.name
    flip = ["--horizontal-flip"] if placed.spec.flip_keeps_class else []
    assert main([*train(name, "--output", "whole", "--epochs", "2", *flip)]) == 0
    whole = json.loads(Path("whole/result.json").read_text())
    assert whole["config"].get("horizontal_flip", False) == bool(flip)
    command = train(name, "--epochs", "2", *flip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnist_core.training.loop.evaluate", _interrupted_after(1))
        assert main(command) == 130
    assert main([*command, "--resume"]) == 0
    resumed = json.loads(Path("run/result.json").read_text())
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def _interrupted_after(epochs: int):
    from mnist_core.training.evaluation import evaluate

    done = []

    def stand_in(*arguments, **keywords):
        if len(done) == epochs:
            raise KeyboardInterrupt
        done.append(True)
        return evaluate(*arguments, **keywords)

    return stand_in


@of_each
@pytest.mark.parametrize("pixels", [False, True], ids=["normalised images", "pixels"])
def test_the_exported_file_has_the_sets_shape_constants_and_class_names(placed, pixels, capsys):
    onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    assert main(train(placed.spec.name)) == 0
    export = ["export", f"run/{CHECKPOINT}", "--output", "model.onnx", "--data-dir", "data"]
    flags = ["--threads", "1", *(["--with-normalization"] if pixels else [])]
    assert main([*export, *flags]) == 0
    assert f"all 20 images of {placed.spec.label}, test split" in capsys.readouterr().out
    model = onnx.load("model.onnx")
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    assert tuple(entry.dim_value for entry in dimensions[1:]) == placed.spec.shape
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["class_names"]) == list(placed.spec.classes)
    for key, values in (("mean", placed.spec.mean), ("std", placed.spec.std)):
        found = json.loads(metadata[f"normalization_{key}"])
        assert (tuple(found) if isinstance(found, list) else (found,)) == values


@pytest.mark.slow
@of_each
def test_without_its_files_a_set_is_exported_on_noise_of_its_shape(placed, monkeypatch, capsys):
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    assert main(train(placed.spec.name)) == 0

    def fail(root):
        raise RuntimeError("no route to host")

    placed.install_download(monkeypatch, fail)
    monkeypatch.delenv("MNIST_DATA_DIR", raising=False)
    export = ["export", f"run/{CHECKPOINT}", "--output", "model.onnx", "--data-dir", "elsewhere"]
    assert main([*export, "--threads", "1"]) == 0
    assert "all 1,000 images of noise" in capsys.readouterr().out


@pytest.mark.parametrize("name", DATASETS)
def test_describe_counts_for_the_sets_images_and_builds_the_first_and_last_layer_for_them(
    name, capsys
):
    assert main(["describe", "--dataset", name]) == 0
    said = capsys.readouterr().out
    total = re.search(r"\| total .*", said)[0].strip("|").split("|")
    assert total[3].strip() == f"{PARAMETERS.get(name, 23_354):,}"
    assert f"For one image of {DATASETS[name].label}, {CHANNELS.get(name, 1)}×" in said


def test_describe_counts_every_view_that_evaluation_reads(capsys):
    for network in ("baseline", "all"):
        assert main(["describe", "--network", network, "--network-option", "views=5"]) == 0
        found = architecture("baseline", {"views": 5})
        assert f"{5 * found.forward_flops():,}" in capsys.readouterr().out


def test_describe_refuses_a_set_that_it_does_not_know(capsys):
    assert "unknown dataset 'cifar'; known: cifar10, " in refusal(
        capsys, "describe", "--dataset", "cifar"
    )


@pytest.mark.parametrize("name", [n for n, s in DATASETS.items() if not s.flip_keeps_class])
def test_flips_that_change_the_class_are_refused_before_anything_is_loaded(name, capsys):
    said = refusal(capsys, "train", "--dataset", name, "--horizontal-flip")
    assert f"horizontal_flip must be false for {name}: a mirrored {DATASETS[name].shown}" in said
    assert os.listdir() == []


def test_a_checkpoint_is_not_evaluated_on_another_set(monkeypatch, capsys):
    for name in ("fashion-mnist", "kmnist"):
        written(name, train=60, validation=20, test=20).install(monkeypatch).place(Path("data"))
    assert main(train("kmnist")) == 0
    shown = written("kmnist", train=60, validation=20, test=20)
    folder = Path("data") / shown.source.folder
    for file in folder.iterdir():
        file.unlink()
    fashion = Path("data") / DATASETS["fashion-mnist"].source.folder
    for file in fashion.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert "does not hold KMNIST" in refusal(capsys, *evaluate())
    assert "--resume" in refusal(capsys, *train("fashion-mnist"))
    resumed = refusal(capsys, *train("fashion-mnist"), "--resume")
    assert "dataset 'kmnist', now 'fashion-mnist'" in resumed


@pytest.mark.slow
def test_a_study_lands_among_its_data_sets_results_and_says_what_it_is_of(run_python, tmp_path):
    small = written("cifar10", train=200, validation=50, test=50)
    small.place(tmp_path / "data")
    # Workers import the script that started them, and so know the small set too.
    (tmp_path / "small_study.py").write_text(
        "import sys\n"
        "from mnist_core.data.registry import DATASETS\n"
        "from mnist_core.data.spec import Augmentation, DatasetSpec, Source\n"
        "from torchvision.datasets import CIFAR10\n"
        f"DATASETS['cifar10'] = {small.spec!r}\n"
        f"for name, value in {small.pins()!r}.items():\n"
        "    setattr(CIFAR10, name, value)\n"
        "if __name__ == '__main__':\n"
        "    from study.optimizers import main\n"
        "    sys.exit(main(sys.argv[1:]))\n"
    )
    study = ["small_study.py", "--dataset", "cifar10", "--data-dir", "data", "--workers", "1"]
    done = run_python(*study, "--optimizers", "adam", "--trials", "1", "--confirm-seeds", "2")
    assert done.returncode == 0, done.stderr
    (report,) = (tmp_path / "results" / "cifar10").glob("optimizers-*/report.md")
    assert os.listdir(tmp_path / "results") == ["cifar10"]
    text = " ".join(report.read_text().split())
    assert "on CIFAR-10 with the baseline network (26,282 parameters)" in text
    assert "> **Not MNIST.** These numbers are for CIFAR-10; they say nothing" in text
    index = (tmp_path / "results" / "cifar10" / "README.md").read_text()
    assert "Studies of optimizers, CIFAR-10" in index
