"""What only a GPU can show of whole commands: a study, its replay, and each benchmark once."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from study import optimizers, replay

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]
STUDY = (
    "--dataset digits --device cuda --optimizers momentum,adam,adafactor --trials 3 "
    "--epochs 2 --confirm-seeds 2"
)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_study_replays_bit_for_bit(workers, tmp_path, capsys):
    folder = tmp_path / "study"
    words = [*STUDY.split(), "--workers", str(workers), "--output", str(folder)]
    assert optimizers.main(words) == 0
    assert "adafactor's steps are not captured" in capsys.readouterr().out
    assert replay.main([str(folder), "--all"]) == 0


def test_every_benchmark_runs_once(tmp_path):
    words = ["-m", "pytest", "bench/", "-q", "-k", "cuda", "--benchmark-disable"]
    completed = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout[-3000:]
