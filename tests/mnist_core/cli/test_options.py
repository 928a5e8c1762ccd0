"""`python -m mnist_core`: what its options mean, and how wrong ones are refused."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest
import torch

from mnist_core.__main__ import main
from mnist_core.cli import train
from mnist_core.config import TrainConfig
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError
from mnist_core.optim.registry import OPTIMIZERS
from mnist_core.recipes import RECIPES
from mnist_core.runtime.device import prepare_process
from mnist_core.training import resume

CHECKPOINT = "checkpoint.safetensors"
RESUME_FILE = "resume.pt"
DISTORTIONS_OFF = {
    "interpolation": "nearest",
    "scaling": 0.0,
    "shear_degrees": 0.0,
    "elastic": 0.0,
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked_for(monkeypatch) -> list[TrainConfig]:
    """Record the configurations that would be trained, and train none."""
    configs: list[TrainConfig] = []

    def record(config, dataset, **keywords):
        configs.append(config)
        raise UserError("not trained")

    monkeypatch.setattr("mnist_core.training.loop.train", record)
    return configs


def refusal(capsys, *arguments: str) -> str:
    """Run a command that must be refused, and return why."""
    assert main(list(arguments)) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert "Traceback" not in output.err
    return output.err


def trained(folder, *arguments: str) -> int:
    """Train for one short epoch of three steps without augmentation."""
    command = ["train", "--dataset", "digits", "--output", str(folder), "--epochs", "1"]
    return main([*command, "--batch-size", "399", "--threads", "1", *arguments])


def test_the_defaults_are_the_baseline_recipe(asked_for):
    main(["train", "--dataset", "digits"])
    assert asked_for == [TrainConfig(dataset="digits")]
    assert (asked_for[0].batch_size, asked_for[0].epochs) == (64, 15)
    assert (asked_for[0].optimizer, asked_for[0].learning_rate) == ("adam", 1e-3)
    assert (asked_for[0].rotation_degrees, asked_for[0].translation) == (10.0, 0.1)


def test_every_option_reaches_the_configuration(asked_for):
    config = TrainConfig(
        dataset="digits",
        optimizer="nesterov",
        learning_rate=0.07,
        schedule="one-cycle",
        epochs=3,
        batch_size=50,
        rotation_degrees=15.0,
        translation=0.05,
        seed=42,
    )
    arguments = ["train"]
    for name, value in config.to_dict().items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    main(arguments)
    assert asked_for == [config]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_default_learning_rate_is_the_optimizers(name, asked_for):
    main(["train", "--dataset", "digits", "--optimizer", name])
    assert asked_for[0].learning_rate == OPTIMIZERS[name].default_learning_rate


@pytest.mark.parametrize("name", ["speed", "accuracy"])
def test_a_named_network_is_the_registrys_whatever_the_recipes_is(name, asked_for):
    command = ["train", "--dataset", "digits", "--recipe", name]
    main(command)
    main([*command, "--network-option", "dropout=0.1"])
    if name == "accuracy":  # which only batch normalisation has
        command += ["--recalibration-images", "0"]
    main([*command, "--network", "baseline"])
    main([*command, "--network", "baseline", "--network-option", "dropout=0.1"])
    options = [config.network_options for config in asked_for]
    recipes_own = dict(RECIPES[name].network_options)
    assert options == [recipes_own, {**recipes_own, "dropout": 0.1}, {}, {"dropout": 0.1}]
    assert asked_for[2].architecture() == TrainConfig().architecture()


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "kmnist"])
def test_a_named_augmentation_is_in_the_place_of_the_recipes_and_options_depart_from_it(name):
    parser = argparse.ArgumentParser()
    train.add_parser(parser.add_subparsers())

    def config_of(*words: str) -> TrainConfig:
        options = parser.parse_args(["train", "--dataset", name, *words])
        return train._config(options, RECIPES["accuracy"], name)

    plain = config_of("--augmentation", "none")
    assert plain == replace(
        RECIPES["accuracy"], dataset=name, rotation_degrees=0.0, translation=0.0, **DISTORTIONS_OFF
    )
    recommended = DATASETS[name].recommended
    assert config_of("--augmentation", "recommended") == replace(plain, **recommended.settings())
    departed = config_of("--augmentation", "recommended", "--translation", "0.2")
    assert departed == replace(plain, **{**recommended.settings(), "translation": 0.2})
    with pytest.raises(
        UserError, match="unknown augmentation 'best'; known: baseline, none, recommended"
    ):
        config_of("--augmentation", "best")
    own = train._config(parser.parse_args(["train", "--dataset", name]), TrainConfig(), name)
    assert own == TrainConfig(dataset=name)


def test_help_shows_defaults_and_units(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "(default: adam)", "(default: 15)", "(default: 64)", "(default: 0.1)", "(default: auto)",
        "in degrees; 0 turns it off (default: 10.0)", "images per step", "MNIST_DATA_DIR",
        *OPTIMIZERS,
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--optimizer", "lbfgs"], "unknown optimizer 'lbfgs'; known: adadelta"),
        (
            ["--dataset", "cifar"],
            "unknown dataset 'cifar'; known: auto, cifar10, digits, emnist-digits",
        ),
        (["--schedule", "step"], "unknown schedule 'step'; known: constant"),
        (["--device", "tpu"], "unknown device 'tpu'; known: cpu, cuda"),
        (["--epochs", "-1"], "epochs must be >= 1, got -1"),
        (["--epochs", "0"], "epochs must be >= 1, got 0"),
        (["--batch-size", "0"], "batch_size must be >= 1, got 0"),
        (["--batch-size", "1198"], "batch_size must be <= 1197"),
        (["--learning-rate", "-1"], "learning_rate must be positive and finite, got -1.0"),
        (["--learning-rate", "nan"], "learning_rate must be positive and finite, got nan"),
        (["--rotation-degrees", "200"], "rotation_degrees must be in [0, 180], got 200.0"),
        (["--translation", "1"], "translation must be in [0, 1), got 1.0"),
        (["--seed", "-1"], "seed must be in [0, 2**63), got -1"),
        (["--threads", "0"], "threads must be >= 1, got 0"),
        (["--resume"], "--resume needs --output"),
        (["--resume", "--output", "new"], f"nothing to resume: new holds no {RESUME_FILE}"),
    ],
)
def test_a_wrong_option_is_refused_with_the_reason_and_leaves_no_file(
    arguments, reason, capsys, tmp_path
):
    assert reason in refusal(capsys, "train", "--dataset", "digits", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--epochs", "many"],
        ["train", "--momentum", "0.9"],
        ["train", "extra"],
        ["evaluate"],
        ["tune"],
        [],
    ],
)
def test_what_the_parser_does_not_know_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_wrong_options_are_refused_before_anything_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr("mnist_core.data.load.load", lambda *_, **__: pytest.fail("loaded"))
    assert "unknown optimizer" in refusal(capsys, "train", "--optimizer", "lbfgs")


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a CUDA device here")
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_cuda_without_a_cuda_device_is_refused(command, capsys, tmp_path):
    arguments = ["train", "--dataset", "digits"]
    if command == "evaluate":
        assert trained(tmp_path / "run") == 0
        arguments = ["evaluate", str(tmp_path / "run" / CHECKPOINT)]
    reason = refusal(capsys, *arguments, "--device", "cuda")
    assert "torch finds no CUDA device; use --device cpu" in reason


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_made_is_refused(place, capsys, tmp_path):
    (tmp_path / "file").touch()
    reason = refusal(capsys, "train", "--dataset", "digits", "--output", str(tmp_path / place))
    assert f"cannot write into the folder {tmp_path / place}: " in reason


def test_a_folder_that_holds_a_run_is_not_overwritten(capsys, tmp_path):
    assert trained(tmp_path / "run") == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    reason = refusal(capsys, "train", "--dataset", "digits", "--output", str(tmp_path / "run"))
    assert "already holds a run; add --resume, or name another --output" in reason
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


def resumed(folder, *arguments: str) -> list[str]:
    command = ["train", "--dataset", "digits", "--output", str(folder), "--epochs", "1"]
    return [*command, "--batch-size", "399", *arguments, "--resume"]


@pytest.mark.parametrize("given", [[], ["--epochs", "1", "--dataset", "digits", "--threads", "2"]])
def test_a_resumed_run_has_configuration_and_threads_from_its_state(given, tmp_path):
    assert trained(tmp_path, "--optimizer", "sgd", "--learning-rate", "0.5", "--threads", "2") == 0
    before = (tmp_path / "result.json").read_bytes()
    prepare_process(threads=1)
    assert main(["train", "--resume", "--output", str(tmp_path), *given]) == 0
    assert (tmp_path / "result.json").read_bytes() == before


def test_resuming_with_another_thread_count_is_refused_and_changes_nothing(capsys, tmp_path):
    assert trained(tmp_path) == 0
    before = (tmp_path / "result.json").read_bytes()
    reason = refusal(capsys, *resumed(tmp_path, "--threads", "2"))
    for part in ("trained with threads 1, now 2", "Use its own", "another folder"):
        assert part in reason
    assert (tmp_path / "result.json").read_bytes() == before


def test_resuming_a_run_of_another_device_is_refused(capsys, monkeypatch, tmp_path):
    assert trained(tmp_path) == 0
    read = resume.read
    monkeypatch.setattr(resume, "read", lambda path: replace(read(path), device="cuda"))
    reason = refusal(capsys, *resumed(tmp_path, "--device", "cpu"))
    assert "trained with device cuda, now cpu" in reason


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--learning-rate", "0.5", "learning_rate 0.001, now 0.5"),
        ("--epochs", "3", "epochs 1, now 3"),
        ("--seed", "1", "seed 0, now 1"),
    ],
)
def test_resuming_with_other_options_is_refused_with_the_difference(
    option, value, said, capsys, tmp_path
):
    assert trained(tmp_path) == 0
    reason = refusal(capsys, *resumed(tmp_path, option, value))
    for part in (str(tmp_path / RESUME_FILE), said, "Use its options, or another folder"):
        assert part in reason


def test_resuming_from_a_damaged_state_is_refused_and_it_is_kept(capsys, tmp_path):
    assert trained(tmp_path) == 0
    damaged = (tmp_path / RESUME_FILE).read_bytes()[:-1]
    (tmp_path / RESUME_FILE).write_bytes(damaged)
    reason = refusal(capsys, *resumed(tmp_path))
    assert f"{tmp_path / RESUME_FILE} is not a whole state of a run" in reason
    assert "delete it and train again" in reason
    assert (tmp_path / RESUME_FILE).read_bytes() == damaged


def test_the_module_itself_refuses_with_exit_code_2_and_no_traceback(run_python):
    completed = run_python("-m", "mnist_core", "train", "--optimizer", "lbfgs")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith("error: unknown optimizer 'lbfgs'")
    assert completed.stderr.count("\n") == 1
