"""The measuring path: the work that is counted for a call, and which cases and blocks are kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.suite import session
from bench.suite import write_results as finish
from bench.suite.session import Suite
from bench.timing.measure import Call, WarmUp
from bench.workers import profiler as profiling
from bench.workloads import controls as companions
from bench.workloads import memory_traffic as traffic
from bench.workloads import prepare as build
from bench.workloads.controls import LIMIT_PREFIX, TWIN_SUFFIX
from bench.workloads.prepare import Prepared
from bench.workloads.registry import WORKLOADS, group_of
from bench.workloads.workload import Workload

MEBIBYTE = 1 << 20
STEP = "cpu: training step, batch 64/float32"


def case(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.id == name)


def prepared(name: str) -> Prepared:
    return build.prepare(case(name), dataset_name="digits")


def test_an_operator_moves_what_it_reads_and_writes() -> None:
    a, b = torch.ones(10, 7), torch.ones(10, 7)
    assert traffic.count_bytes(lambda: torch.add(a, b)) == 3 * 70 * 4
    assert traffic.count_bytes(lambda: a.to(torch.bfloat16)) == 70 * (4 + 2)
    assert traffic.count_bytes(lambda: a.view(70)) == 0
    assert traffic.count_bytes(lambda: torch.empty(1000)) == 0


def test_a_matrix_product_counts_a_multiplication_and_an_addition_for_each_pair() -> None:
    product = prepared("cpu: limits/GEMM float32, 256")
    assert product.flops == 2 * 256**3
    assert product.bytes == 3 * 256**2 * 4
    assert isinstance(product.call, Call)
    assert traffic.count_bytes(product.call.call) >= product.bytes


@pytest.mark.parametrize("mebibytes", [4, 128])
def test_a_copy_reads_and_writes_all_of_its_bytes(mebibytes: int) -> None:
    copy = prepared(f"cpu: limits/copy, {mebibytes} MiB")
    assert copy.bytes == 2 * mebibytes * MEBIBYTE
    assert copy.flops == 0


@pytest.mark.parametrize(
    "name",
    [
        "cpu: training step, batch 64/float32",
        "cpu: training step, batch 64/seed's step, float32",
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
    made = build.prepare(companions.convolutions(case(STEP)), dataset_name="digits")
    assert isinstance(made.call, Call)
    with FlopCounterMode(display=False) as counter:
        made.call.call()
    assert counter.get_total_flops() == made.flops
    step = prepared(STEP)
    assert 0.99 < made.flops / step.flops < 1.0
    assert made.bytes < step.bytes


def event(key: str, microseconds: float) -> SimpleNamespace:
    return SimpleNamespace(key=key, microseconds=microseconds)


def test_the_parts_of_a_profiled_step_are_shares_of_its_time() -> None:
    table = [
        event("ProfilerStep*", 1000.0),
        event("data", 100.0),
        event("forward", 200.0),
        event("autograd::engine::evaluate_function: ConvolutionBackward0", 300.0),
        event("autograd::engine::evaluate_function: AddmmBackward0", 100.0),
        event("Optimizer.step#Adam.step", 150.0),
        event("aten::convolution", 180.0),
    ]
    shares = profiling.split(table, training=True, time_of=lambda found: found.microseconds)
    expected = {"data": 0.1, "forward": 0.2, "backward": 0.4, "optimizer": 0.15, "rest": 0.15}
    assert shares == pytest.approx(expected)


def test_the_peak_of_memory_is_above_what_was_there_before() -> None:
    def memory(total: int, device_type: int = 0) -> dict[str, object]:
        values = {"Total Allocated": total, "Device Type": device_type}
        return {"name": "[memory]", "args": values}

    events = [memory(100), memory(340), memory(160), memory(9000, 1), {"name": "aten::add"}]
    assert profiling.peak_bytes(events, device="cpu") == 240
    assert profiling.peak_bytes([], device="cpu") == 0


def measured(monkeypatch: pytest.MonkeyPatch, *names: str) -> Suite:
    """Return a suite in which cases of one group were measured, each of them doing nothing."""
    nothing = Prepared(call=Call(call=lambda: None))
    monkeypatch.setattr(build, "prepare", lambda workload, **_: nothing)
    warm = WarmUp(steady=True, window_seconds=(1e-4,) * 3, calls=4)
    monkeypatch.setattr(Suite, "warm_up", lambda *_: warm)
    suite = Suite(dataset_name="digits")
    for name in names:
        suite.add(case(name), nothing, warm_up=warm, alone=[1e-4, 1e-4])
    suite.finish_group(case(names[0]).group)
    return suite


def test_companions_are_recorded_as_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = measured(monkeypatch, "cpu: optimizer step/SGD", "cpu: optimizer step/Adam")
    (group,) = suite.groups
    reference = group_of(group.name)[0].name
    assert {found.workload.name: found.asked for found in group.cases} == {
        "SGD": True,
        "Adam": True,
        reference: False,
        "whole step: Adam, float32, batch 64": False,
        f"Adam{TWIN_SUFFIX}": False,
        f"{LIMIT_PREFIX}memory copy": False,
    }
    assert all(len(found.blocks) == session.BLOCKS for found in group.cases)


def test_a_run_is_complete_once_every_case_was_asked_for_or_cannot_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [workload.id for workload in WORKLOADS if workload.device == "cpu"]
    copies = [name for name in names if "limits/copy" in name]
    assert not finish.is_complete(Suite(dataset_name="digits"), "cpu")
    suite = measured(monkeypatch, *copies)
    suite.skipped.update({name: "no reason" for name in names if name not in copies})
    assert finish.is_complete(suite, "cpu")
    del suite.skipped[next(iter(suite.skipped))]
    assert not finish.is_complete(suite, "cpu")


def test_a_companion_makes_no_run_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = measured(monkeypatch, "cpu: optimizer step/SGD")
    reference = group_of("cpu: optimizer step")[0].id
    suite.skipped.update(
        {w.id: "no reason" for w in WORKLOADS if w.device == "cpu" and w.id != reference}
    )
    assert not finish.is_complete(suite, "cpu")
