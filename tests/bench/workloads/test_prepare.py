"""bench.workloads.prepare: the work that is counted for a call."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.timing.measure import Call
from bench.workloads import memory_traffic
from bench.workloads.controls import convolutions
from bench.workloads.prepare import prepare
from bench.workloads.prepared import Prepared
from bench.workloads.registry import WORKLOADS
from bench.workloads.workload import Workload

MEBIBYTE = 1 << 20
STEP = "cpu: training step, batch 64/float32"


def case(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.id == name)


def prepared(name: str) -> Prepared:
    return prepare(case(name), dataset_name="digits")


def test_an_operator_moves_what_it_reads_and_writes() -> None:
    a, b = torch.ones(10, 7), torch.ones(10, 7)
    assert memory_traffic.count_bytes(lambda: torch.add(a, b)) == 3 * 70 * 4
    assert memory_traffic.count_bytes(lambda: a.to(torch.bfloat16)) == 70 * (4 + 2)
    assert memory_traffic.count_bytes(lambda: a.view(70)) == 0
    assert memory_traffic.count_bytes(lambda: torch.empty(1000)) == 0


def test_a_matrix_product_counts_a_multiplication_and_an_addition_for_each_pair() -> None:
    product = prepared("cpu: limits/GEMM float32, 256")
    assert product.flops == 2 * 256**3
    assert product.bytes == 3 * 256**2 * 4
    assert isinstance(product.call, Call)
    assert memory_traffic.count_bytes(product.call.call) >= product.bytes


@pytest.mark.parametrize("mebibytes", [4, 128])
def test_a_copy_reads_and_writes_all_of_its_bytes(mebibytes: int) -> None:
    copy = prepared(f"cpu: limits/copy, {mebibytes} MiB")
    assert copy.bytes == 2 * mebibytes * MEBIBYTE
    assert copy.flops == 0


@pytest.mark.parametrize(
    "name",
    [
        "cpu: training step, batch 64/float32",
        "cpu: training step, batch 64/plain PyTorch step",
        "cpu: inference throughput, batch 256/channels-last",
    ],
)
def test_the_flops_of_a_case_are_those_that_its_call_does(name: str) -> None:
    made = prepared(name)
    assert isinstance(made.call, Call)
    with FlopCounterMode(display=False) as counter:
        made.call.call()
    # The counter knows convolutions and matrix products, which are nearly everything.
    assert counter.get_total_flops() == pytest.approx(made.flops, rel=0.05)
    assert made.images == case(name).batch_size


def test_a_steps_convolutions_alone_are_all_that_it_does_of_them() -> None:
    made = prepare(convolutions(case(STEP)), dataset_name="digits")
    assert isinstance(made.call, Call)
    with FlopCounterMode(display=False) as counter:
        made.call.call()
    assert counter.get_total_flops() == made.flops
    step = prepared(STEP)
    assert 0.99 < made.flops / step.flops < 1.0
    assert made.bytes < step.bytes
