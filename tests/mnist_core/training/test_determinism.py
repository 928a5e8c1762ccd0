"""The same configuration gives the same bits: again, elsewhere, after others, after kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mnist_core.__main__ import main
from mnist_core.config import TrainConfig
from mnist_core.data.load import load
from mnist_core.data.locate import DATA_DIR_VARIABLE
from mnist_core.runtime.device import prepare_process
from mnist_core.training.loop import train

CPU = torch.device("cpu")
RESUME_FILE = "resume.pt"
_TRAIN_AND_PRINT = """
import json, sys
from mnist_core.data.load import load
from mnist_core.runtime.device import prepare_process
from mnist_core.config import TrainConfig
from mnist_core.training.loop import train
device = prepare_process(threads=1)
for values in json.loads(sys.argv[1]):
    config = TrainConfig.from_dict(values)
    dataset = load(config.dataset, data_dir=None, device=device)
    print(train(config, dataset).weights_sha256)
"""
SPECS = {
    "adam": {"optimizer": "adam"},
    "nesterov": {"optimizer": "nesterov", "learning_rate": 0.05, "schedule": "one-cycle"},
    "adafactor": {"optimizer": "adafactor", "learning_rate": 0.01, "schedule": "cosine"},
}


def config_of(name: str, **changes) -> TrainConfig:
    return TrainConfig(**{"dataset": "digits", "epochs": 1, **SPECS[name], **changes})


@pytest.fixture(scope="module")
def digest_of(digits):
    """Train on one thread, each configuration once for the module."""
    known: dict[str, str] = {}

    def digest(config: TrainConfig) -> str:
        if config.digest() not in known:
            known[config.digest()] = train(config, digits).weights_sha256
        return known[config.digest()]

    return digest


@pytest.mark.parametrize("name", SPECS)
def test_the_same_process_gives_the_same_bits_again(name, digits, digest_of):
    assert train(config_of(name), digits).weights_sha256 == digest_of(config_of(name))


def test_a_fresh_process_gives_the_same_bits_in_any_order_of_runs(digest_of, run_python):
    configs = [config_of(name) for name in reversed(SPECS)]
    values = json.dumps([config.to_dict() for config in configs])
    completed = run_python("-c", _TRAIN_AND_PRINT, values)
    assert completed.stdout.split() == [digest_of(config) for config in configs], completed.stderr


def test_other_runs_and_draws_in_the_same_process_change_nothing(digits, digest_of):
    expected = digest_of(config_of("adam"))
    train(config_of("nesterov", seed=9, batch_size=100), digits)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1234)
        torch.rand(1_000)
        assert train(config_of("adam"), digits).weights_sha256 == expected


def test_two_threads_give_the_same_bits_twice(small_digits):
    prepare_process(threads=2)
    first, second = (train(config_of("adam"), small_digits).weights_sha256 for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", SPECS)
def test_another_seed_gives_other_bits(name, digest_of):
    assert digest_of(config_of(name, seed=1)) != digest_of(config_of(name))


@pytest.mark.parametrize(
    "change", [{"rotation_degrees": 0.0}, {"translation": 0.0}, {"batch_size": 63}]
)
def test_another_recipe_gives_other_bits(change, digest_of):
    assert digest_of(config_of("adam", **change)) != digest_of(config_of("adam"))


def arguments_of(config: TrainConfig, folder: Path) -> list[str]:
    """Return the command line that trains a configuration on one thread."""
    arguments = ["train", "--threads", "1", "--output", str(folder)]
    for name, value in config.to_dict().items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def started(config: TrainConfig, folder: Path) -> subprocess.Popen[bytes]:
    """Start training in a fresh process."""
    command = [sys.executable, "-m", "mnist_core", *arguments_of(config, folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def digest_in(folder: Path) -> str:
    """Return the digest of the weights that a finished run recorded."""
    return json.loads((folder / "result.json").read_text())["weights_sha256"]


def kill_and_resume(config: TrainConfig, folder: Path, *, timeout_seconds: float) -> str:
    """SIGKILL a run that trains on after its first epoch; resume it and return its digest."""
    process = started(config, folder)
    try:
        deadline = time.monotonic() + timeout_seconds
        while not (folder / RESUME_FILE).exists():
            assert process.poll() is None, "the run ended before it wrote its state"
            assert time.monotonic() < deadline, "no state came"
            time.sleep(0.005)
        time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    assert main([*arguments_of(config, folder), "--resume"]) == 0
    return digest_in(folder)


def test_kill_9_and_resume_gives_the_bits_of_an_uninterrupted_run(digest_of, tmp_path):
    config = config_of("adam", epochs=3)
    resumed = kill_and_resume(config, tmp_path / "run", timeout_seconds=60)
    assert resumed == digest_of(config)


@pytest.mark.slow
def test_on_mnist_kill_9_and_resume_in_fresh_processes_keep_the_promise(
    mnist_folder, monkeypatch, tmp_path
):
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(mnist_folder))
    config = TrainConfig(epochs=2, schedule="one-cycle", batch_size=256, learning_rate=5e-3)
    with started(config, tmp_path / "whole") as whole:  # beside the other, on another core
        resumed = kill_and_resume(config, tmp_path / "killed", timeout_seconds=300)
    assert whole.returncode == 0
    assert resumed == digest_in(tmp_path / "whole")
    result = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert result["epochs"][-1]["validation_accuracy"] > 0.97


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize("name", SPECS)
def test_on_cuda_the_same_configuration_gives_the_same_bits(name):
    device = prepare_process(device="cuda", threads=1)
    digits = load("digits", data_dir=None, device=device)
    config = config_of(name, epochs=2)
    first, second = (train(config, digits) for _ in range(2))
    assert first.weights_sha256 == second.weights_sha256
    assert first.weights_sha256 != train(config_of(name, seed=1), digits).weights_sha256
