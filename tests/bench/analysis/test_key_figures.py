"""bench.analysis.key_figures: which figures a record gives, and what their targets say."""

from __future__ import annotations

import dataclasses

import pytest

from bench.analysis.key_figures import key_figures
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.summary import Summary, summarise
from bench.workloads.registry import group_of
from bench.workloads.workload import Workload

GROUP = "cpu: inference latency, batch 1, one thread"
SECONDS = {
    "plain PyTorch call": 260e-6,
    "inference mode, contiguous": 240e-6,
    "inference mode, channels-last": 230e-6,
    "compiled ahead of time": 160e-6,
    "compiled": 170e-6,
    "bfloat16": 250e-6,
    "ONNX Runtime": 100e-6,
}


def case(workload: Workload, seconds: float) -> CaseRecord:
    return CaseRecord(
        workload=workload,
        images=1,
        flops=0,
        bytes=0,
        iterations=1,
        steady=True,
        blocks=((seconds,),) * 12,
    )


def made(seconds: dict[str, float]) -> Summary:
    cases = [case(w, seconds[w.name]) for w in group_of(GROUP) if w.name in seconds]
    group = GroupRecord(
        name=GROUP, device="cpu", host_before={}, host_after={}, cases=tuple(cases)
    )
    return summarise(
        Record(
            created_utc="2026-01-02 03:04",
            device="cpu",
            complete=False,
            command="pytest bench/",
            seconds=1.0,
            environment={},
            dataset={},
            groups=(group,),
            skipped={},
        )
    )


def test_onnx_runtime_is_a_figure_of_its_own_beside_the_best_variant_of_torch() -> None:
    of_torch, exported = key_figures(made(SECONDS))
    assert of_torch.answer == "times the plain PyTorch call: compiled ahead of time"
    assert of_torch.ratio.value == pytest.approx(260 / 160)
    assert (
        "one image through torch at best (batch 1, one thread, block medians)" in of_torch.question
    )
    assert exported.question == (
        "How much faster is ONNX Runtime (batch 1, one thread, block medians)?"
    )
    assert exported.ratio.value == pytest.approx(2.6)
    assert (of_torch.target, exported.target) == (1.25, 2.5)
    assert (of_torch.verdict, exported.verdict) == ("reached", "reached")


def test_a_record_without_onnx_runtime_asks_as_it_always_did() -> None:
    seconds = {name: value for name, value in SECONDS.items() if name != "ONNX Runtime"}
    (only,) = key_figures(made(seconds))
    assert only.question == (
        "How much faster is one image through the network at best "
        "(batch 1, one thread, block medians)?"
    )


def test_onnx_runtime_alone_beside_plain_pytorch_is_one_figure_that_can_be_missed() -> None:
    seconds = {"plain PyTorch call": 200e-6, "ONNX Runtime": 100e-6}
    (exported,) = key_figures(made(seconds))
    assert exported.ratio.value == pytest.approx(2.0)
    assert exported.verdict == "missed"


def test_a_control_is_no_figure() -> None:
    record = made(SECONDS).record
    (group,) = record.groups
    cases = tuple(
        dataclasses.replace(case, workload=dataclasses.replace(case.workload, role="control"))
        if case.workload.mode == "onnxruntime"
        else case
        for case in group.cases
    )
    record = dataclasses.replace(record, groups=(dataclasses.replace(group, cases=cases),))
    assert len(key_figures(summarise(record))) == 1
