"""bench.analysis.summary: roles, not names, say what is compared with what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.summary import COMPUTE, MEMORY, GroupSummary, summarise
from bench.workloads.controls import controls
from bench.workloads.registry import WORKLOADS, group_of
from bench.workloads.workload import Workload

STEP = "cpu: training step, batch 64"
LOOP = "cpu: whole loop, batch 64"


def case(workload: Workload, seconds: float, *, index: int) -> CaseRecord:
    """Return a case whose blocks differ a little, in an order of its own."""
    blocks = tuple((seconds * (1.0 + 0.001 * ((7 * index + i) % 5)),) for i in range(12))
    return CaseRecord(
        workload=workload,
        images=64,
        flops=10**9,
        bytes=10**6 if workload.kind != "gemm" else 0,
        iterations=1,
        steady=True,
        blocks=blocks,
    )


def summary_of(name: str, seconds: dict[str, float], *, only: str = "") -> GroupSummary:
    """Summarise a group; cases take a second unless `seconds` says otherwise."""
    selected = [workload for workload in group_of(name) if only in workload.name]
    beside = controls(name, selected, fastest=lambda products: products[0])
    # A name says nothing: any text will do.
    workloads = [
        *selected,
        *(
            replace(work, name=f"beside {index}") if work.role != "control" else work
            for index, work in enumerate(beside)
        ),
    ]
    cases = tuple(
        case(work, seconds.get(work.name, 1.0), index=index)
        for index, work in enumerate(workloads)
    )
    group = GroupRecord(name=name, device="cpu", host_before={}, host_after={}, cases=cases)
    record = Record(
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
    (summary,) = summarise(record).groups
    return summary


def test_rows_are_the_cases_and_limits_are_what_their_shares_are_of() -> None:
    summary = summary_of(STEP, {"float32": 0.5})
    assert [row.workload for row in summary.rows] == group_of(STEP)
    assert summary.reference.workload.name == "plain PyTorch step"
    float32 = summary.row(mode="eager", precision="float32", layout="channels-last")
    assert float32 is not None
    assert float32.versus is not None
    assert float32.versus.value == pytest.approx(2.0, rel=0.01)
    assert set(float32.shares) == {COMPUTE, MEMORY}
    assert float32.share == float32.shares[float32.limit or ""]
    assert summary.row(mode="captured") is None


def test_the_noise_floor_is_the_a_a_test_of_the_case_that_it_repeats() -> None:
    summary = summary_of(STEP, {"float32": 1.0})
    assert summary.noise_floor is not None
    assert summary.noise_floor.value == pytest.approx(1.0, rel=0.01)
    assert not [row for row in summary.rows if row.separated]


def test_a_reference_that_was_not_selected_has_a_row_and_a_whole_step_has_none() -> None:
    summary = summary_of(LOOP, {"plain PyTorch loop, 2 workers": 0.8}, only="bfloat16")
    names = [row.workload.name for row in summary.rows]
    assert names == [
        "bfloat16, augmentation",
        "plain PyTorch loop, no worker",
        "plain PyTorch loop, 2 workers",
    ]
    assert summary.reference.workload.name == "plain PyTorch loop, 2 workers"
    optimizers = summary_of("cpu: optimizer step", {})
    assert {row.workload.kind for row in optimizers.rows} == {"optimizer-step"}
    assert all(row.of_a_step for row in optimizers.rows)


@pytest.mark.parametrize(
    ("group", "condition"),
    [
        ("cpu: training step, batch 1024", "batch 1,024"),
        ("cpu: inference latency, batch 1, one thread", "batch 1, one thread"),
        ("cpu: inference latency, batch 1, all threads", "batch 1, all threads"),
        ("cpu: inference throughput, batch 16, one thread", "batch 16, one thread"),
        ("cpu: inference throughput, batch 1024", "batch 1,024"),
        ("cpu: data, not augmented", "not augmented"),
    ],
)
def test_a_heading_says_what_tells_a_group_from_the_others_of_its_kind(
    group: str, condition: str
) -> None:
    assert summary_of(group, {}).condition == condition


def test_headings_of_a_kind_differ() -> None:
    groups = dict.fromkeys(w.group for w in WORKLOADS if w.device == "cpu")
    headings = [
        (work.group_kind, work.metric, summary_of(group, {}).condition)
        for group in groups
        if (work := group_of(group)[0]).group_kind != "limits"
    ]
    assert len(set(headings)) == len(headings)
