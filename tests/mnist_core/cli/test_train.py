"""`python -m mnist_core train` end to end: its files, its lines, signals and a full disk."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
import torch

from mnist_core.__main__ import main
from mnist_core.config import TrainConfig
from mnist_core.training import resume
from mnist_core.training.checkpoint import read_checkpoint
from mnist_core.training.loop import train

CHECKPOINT = "checkpoint.safetensors"
RESUME_FILE = "resume.pt"
LOCK = "train.lock"
QUICK = ["--batch-size", "133", "--threads", "1"]  # nine steps an epoch


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def offline(monkeypatch, without_mnist) -> None:
    def fail(dataset):
        raise RuntimeError("no route to host")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fail)


def result_of(folder) -> dict:
    return json.loads((folder / "result.json").read_text())


def test_a_run_prints_plain_lines_and_leaves_a_checkpoint_and_a_result(digits, capsys, tmp_path):
    command = ["train", "--dataset", "digits", "--epochs", "2", "--output", "run", *QUICK]
    assert main(command) == 0
    output = capsys.readouterr()
    config = TrainConfig(dataset="digits", epochs=2, batch_size=133)
    expected = train(config, digits)
    result = result_of(tmp_path / "run")
    assert result["config"] == config.to_dict()
    assert (result["status"], result["steps"], len(result["epochs"])) == ("completed", 18, 2)
    assert result["weights_sha256"] == expected.weights_sha256
    assert result["data"] == {"name": "digits", "sha256": digits.sha256}
    assert result["environment"]["threads"] == 1
    assert result["test"]["count"] == 300
    saved = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert (saved.config, saved.record["epochs"]) == (config, result["epochs"])
    accuracy = result["test"]["correct"] / 300
    low, high = result["test"]["interval"]
    first, second, *epochs, test, weights = output.out.splitlines()
    assert first.startswith(f"configuration {config.digest()}: ")
    assert "digits (scikit-learn), 1,197 images" in second
    assert [line.split(":")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert f"test accuracy {accuracy:.2%}, 95 % interval {low:.2%} to {high:.2%}" in test
    assert expected.weights_sha256[:16] in weights
    assert output.err == ""


def test_without_output_a_new_folder_is_made_for_the_data_set(tmp_path):
    assert main(["train", "--dataset", "digits", "--epochs", "1", *QUICK]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("digits-train-20")
    assert (folder / "result.json").exists()


def test_resuming_a_finished_run_gives_the_same_result_again(capsys, tmp_path):
    command = ["train", "--dataset", "digits", "--epochs", "1", "--output", "run", *QUICK]
    assert main(command) == 0
    first = result_of(tmp_path / "run")
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    assert result_of(tmp_path / "run") == first
    assert "epoch 1/1" not in capsys.readouterr().out


def test_a_diverged_run_says_so_and_gives_no_test_accuracy(capsys, tmp_path):
    command = ["train", "--dataset", "digits", "--optimizer", "sgd", "--learning-rate", "1000"]
    assert main([*command, "--output", "run", *QUICK]) == 1
    result = result_of(tmp_path / "run")
    assert (result["status"], result["test"], result["epochs"]) == ("diverged", None, [])
    output = capsys.readouterr().out
    assert f"diverged at step {result['steps']}" in output
    assert "A smaller --learning-rate may help. No test accuracy is given." in output
    assert "%" not in output


def test_auto_without_mnist_says_why_and_trains_on_digits(offline, capsys, tmp_path):
    assert main(["train", "--epochs", "1", "--output", "run", *QUICK]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("note: MNIST is in none of ")
    assert "no route to host" in first
    assert second == "continuing with the embedded data set: digits"
    assert not (tmp_path / "run").exists()  # where MNIST's result would lie
    assert result_of(tmp_path / "run-digits")["data"]["name"] == "digits"
    assert result_of(tmp_path / "run-digits")["config"]["dataset"] == "digits"


def test_mnist_that_cannot_be_had_is_exit_code_2_with_the_ways_out(offline, capsys, tmp_path):
    assert main(["train", "--dataset", "mnist", "--output", "run"]) == 2
    error = capsys.readouterr().err
    for part in ("no route to host", "--data-dir", "MNIST_DATA_DIR", "--dataset digits"):
        assert part in error
    assert not (tmp_path / "run").exists()


def test_an_altered_file_of_mnist_is_exit_code_2_and_never_a_run(fake_mnist, capsys, tmp_path):
    raw = fake_mnist.place(tmp_path / "data")
    (raw / "train-labels-idx1-ubyte").write_bytes(b"")
    assert main(["train", "--data-dir", "data", "--output", "run"]) == 2
    assert "MNIST in data/MNIST/raw is truncated or altered" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_mnist_in_the_named_folder_is_trained_on(fake_mnist, capsys, tmp_path):
    fake_mnist.place(tmp_path / "data")
    command = ["train", "--data-dir", "data", "--epochs", "1", "--batch-size", "10"]
    assert main([*command, "--threads", "1", "--output", "run"]) == 0
    assert "MNIST, 30 images to train on" in capsys.readouterr().out
    assert result_of(tmp_path / "run")["data"]["name"] == "mnist"


def start(*arguments: str, **keywords) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mnist_core", "train", "--dataset", "digits", *QUICK]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, **keywords)


def wait_for(path, process, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the run ended before"
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT],
    ids=lambda n: n.name,
)
def test_a_signal_ends_a_run_within_seconds_and_it_can_be_resumed(number, tmp_path):
    process = start("--epochs", "500", "--output", "run", stderr=subprocess.PIPE)
    wait_for(tmp_path / "run" / CHECKPOINT, process)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.decode() == (
        "interrupted. What was finished is on disk; continue with:\n"
        "  python -m mnist_core train --resume --output run\n"
    )
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        CHECKPOINT,
        RESUME_FILE,
        LOCK,
    ]
    epochs = len(resume.read(tmp_path / "run" / RESUME_FILE).record["epochs"])
    assert 1 <= epochs < 500
    assert train_one_more_epoch(tmp_path / "run") == 1 + epochs


def train_one_more_epoch(folder) -> int:
    """Resume through the command until one more epoch is done; return how many then are."""

    class StoppedError(Exception):
        pass

    def stop(display, progress):
        if progress.finished_epoch is not None:
            raise StoppedError(progress.epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnist_core.cli.progress.ProgressDisplay.observe", stop)
        with pytest.raises(StoppedError) as caught:
            main(["train", "--resume", "--output", str(folder)])
    return caught.value.args[0]


def test_a_run_stopped_in_its_first_epoch_does_not_promise_to_go_on(capsys):
    def stop(display, progress):
        raise KeyboardInterrupt

    command = ["train", "--dataset", "digits", *QUICK, "--output", "run"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnist_core.cli.progress.ProgressDisplay.observe", stop)
        assert main(command) == 130
    assert capsys.readouterr().err == (
        "interrupted. Nothing was finished yet; the same command starts again\n"
    )
    assert main([*command, "--epochs", "1"]) == 0


@pytest.mark.slow
def test_of_two_runs_in_one_folder_at_once_the_second_is_refused(tmp_path):
    processes = [
        start("--seed", seed, "--epochs", "10", "--output", "run", stderr=subprocess.PIPE)
        for seed in "01"
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert sorted(code for _, code in ended) == [0, 2]
    ((_, error),) = [outputs for outputs, code in ended if code]
    assert b"another process is training in run; wait for it, or name another --output" in error
    (winner,) = [seed for seed, (_, code) in enumerate(ended) if code == 0]
    assert result_of(tmp_path / "run")["config"]["seed"] == winner
    assert read_checkpoint(tmp_path / "run" / CHECKPOINT).config.seed == winner


def test_default_folders_of_one_second_are_two(tmp_path, monkeypatch):
    monkeypatch.setattr("mnist_core.cli.train.time.strftime", lambda *given: "20260101-000000")
    for _ in range(2):
        assert main(["train", "--dataset", "digits", "--epochs", "1", *QUICK]) == 0
    names = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert names == ["digits-train-20260101-000000", "digits-train-20260101-000000-2"]


@pytest.mark.slow
def test_on_a_terminal_a_bar_is_shown_and_no_plain_lines():
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("4H", 40, 160, 0, 0))
    process = start("--epochs", "2", stderr=writer)
    os.close(writer)
    shown = b""
    try:
        while chunk := os.read(reader, 4_096):
            shown += chunk
    except OSError:  # Linux: the other end of the terminal was closed
        pass
    os.close(reader)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    last = [line for line in shown.decode().splitlines() if line][-1]
    for part in ("18/18", "epoch 2/2", "loss ", "validation ", "images/s"):
        assert part in last
    assert b"epoch 1/2:" not in output
    assert b"test accuracy" in output


def can_mount() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "-m", "sh", "-c", 'd=$(mktemp -d) && mount -t tmpfs none "$d"']
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_is_exit_code_2_and_leaves_the_last_state_whole(tmp_path):
    if not can_mount():
        pytest.skip("a small disk cannot be mounted here (unshare and mount need root)")
    # Adam's state is 300 kB and the network 96 kB: one of each fits, the next state does not.
    (tmp_path / "run").mkdir()
    script = 'mount -t tmpfs -o size=600k none run && shift && "$@"; code=$?; ls -A run > names; '
    script += f"cp run/{RESUME_FILE} saved; exit $code"
    command = [sys.executable, "-m", "mnist_core", "train", "--dataset", "digits", *QUICK]
    completed = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", "-", *command, "--output", "run"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 2
    assert completed.stderr == (
        "error: the operating system refused: No space left on device "
        f"(run/{RESUME_FILE}). What was finished is on disk; continue with:\n"
        "  python -m mnist_core train --resume --output run\n"
    )
    assert "Traceback" not in completed.stderr
    assert (tmp_path / "names").read_text() == f"{CHECKPOINT}\n{RESUME_FILE}\n{LOCK}\n"
    assert len(resume.read(tmp_path / "saved").record["epochs"]) == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_on_cuda_a_run_completes_and_its_checkpoint_is_read_on_the_cpu(tmp_path, capsys):
    command = ["train", "--dataset", "digits", "--epochs", "1", "--device", "cuda", *QUICK]
    assert main([*command, "--output", "run"]) == 0
    assert main(["evaluate", str(tmp_path / "run" / CHECKPOINT), "--device", "cpu"]) == 0
    assert "accuracy" in capsys.readouterr().out
