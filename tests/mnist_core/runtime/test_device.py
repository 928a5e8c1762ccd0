"""The machine side: device, threads, determinism."""

from __future__ import annotations

import os

import pytest
import torch

from mnist_core.errors import UserError
from mnist_core.runtime.device import available_cores, prepare_process


def test_threads_are_what_is_asked_for_or_all_available_cores():
    prepare_process(threads=2)
    assert torch.get_num_threads() == 2
    prepare_process()
    assert torch.get_num_threads() == available_cores()


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(UserError, match=f"threads must be >= 1, got {threads}"):
        prepare_process(threads=threads)


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "mps", ""])
def test_an_unknown_device_is_refused_and_the_known_ones_named(name):
    with pytest.raises(UserError, match=f"unknown device '{name}'; known: cpu, cuda"):
        prepare_process(device=name)


def test_cuda_without_a_cuda_device_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="torch finds no CUDA device; use --device cpu"):
        prepare_process(device="cuda")


def test_a_refused_device_changes_nothing():
    before = torch.get_num_threads()
    with pytest.raises(UserError):
        prepare_process(device="gpu", threads=before + 1)
    assert torch.get_num_threads() == before


def test_operations_without_a_deterministic_form_are_errors():
    torch.use_deterministic_algorithms(mode=False)
    assert prepare_process(threads=1) == torch.device("cpu")
    tensor, index = torch.zeros(3), torch.tensor([0, 0])
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        tensor.put_(index, torch.ones(2), accumulate=False)


def test_numeric_shortcuts_are_off():
    torch.backends.cuda.matmul.allow_tf32 = True
    prepare_process(threads=1)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="the system has no processor affinity"
)
def test_only_cores_that_the_process_may_use_are_counted():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert available_cores() == len(allowed)
