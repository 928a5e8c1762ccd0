"""bench.workloads.registry: the registry is complete, its names are unique, and cheap to read."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import asdict

import pytest
import torch
from support import ROOT

from bench.suite.session import Suite
from bench.timing.measure import WarmUp
from bench.workloads import controls, memory_traffic, registry
from bench.workloads.controls import is_a_a_test_of
from bench.workloads.prepared import Prepared
from bench.workloads.registry import WORKLOADS
from bench.workloads.workload import Workload
from mnist_core.errors import UserError, from_mapping
from mnist_core.optim.registry import OPTIMIZERS

GROUPS = sorted({workload.group for workload in WORKLOADS})


def test_names_are_unique() -> None:
    assert [name for name, n in Counter(w.id for w in WORKLOADS).items() if n > 1] == []


def test_a_group_is_of_one_device_and_named_after_it() -> None:
    for group in GROUPS:
        (device,) = {workload.device for workload in registry.group_of(group)}
        assert group.startswith(f"{device}: ")


def test_every_case_of_the_registry_is_collected_once_by_a_file() -> None:
    collected: Counter[str] = Counter()
    for path in (ROOT / "bench").glob("bench_*.py"):
        module = importlib.import_module(f"bench.{path.stem}")
        name = f"test_{path.stem.removeprefix('bench_')}"
        (mark,) = getattr(module, name).pytestmark
        collected.update(workload.id for workload in mark.args[1])
    assert collected == Counter(workload.id for workload in WORKLOADS)


def test_cpu_and_cuda_have_the_same_cases_but_for_what_one_of_them_has_not() -> None:
    def names(device: str, kind: str) -> set[str]:
        return {
            f"{w.group.removeprefix(device)}/{w.name}"
            for w in WORKLOADS
            if w.device == device and w.kind == kind
            if w.mode != "captured" and w.precision != "tf32"
            if (w.mode, w.batch_size) != ("compiled", 1024)
        }

    for kind in ("training-step", "optimizer-step", "training-loop", "plain-loop"):
        assert names("cpu", kind) == names("cuda", kind)


def test_on_cuda_steps_and_calls_are_replayed_from_graphs_too() -> None:
    captured = [w for w in WORKLOADS if w.mode == "captured"]
    assert {w.device for w in captured} == {"cuda"}
    for kind in ("training-step", "inference"):
        groups = {w.group for w in registry.of_kind(kind) if w.device == "cuda"}
        assert {w.group for w in captured if w.kind == kind} == groups


def test_every_optimizer_is_timed() -> None:
    timed = {w.optimizer for w in registry.of_kind("optimizer-step") if w.mode != "plain"}
    assert timed == set(OPTIMIZERS)


@pytest.mark.parametrize("group", [name for name in GROUPS if "limits" not in name])
def test_each_group_has_plain_pytorch_to_compare_with_and_one_a_a_test(group: str) -> None:
    cases = registry.group_of(group)
    assert cases[0].mode == "plain"
    assert sum(case.in_a_a_test for case in cases) == 1


@pytest.mark.parametrize("group", GROUPS)
def test_the_cases_of_a_group_are_of_one_group_kind_and_metric(group: str) -> None:
    cases = registry.group_of(group)
    assert len({(case.group_kind, case.metric) for case in cases}) == 1
    assert {case.role for case in cases} == {"case"}


def test_controls_are_the_reference_the_a_a_test_and_the_limits() -> None:
    group = "cpu: training step, batch 64"
    reference, float32, *_ = cases = registry.group_of(group)
    beside = controls.controls(group, [float32], fastest=largest)
    assert [case.name for case in beside] == [
        reference.name,
        "float32, A/A test",
        "limit: convolutions of a float32 step",
        "limit: GEMM float32",
        "limit: memory copy",
    ]
    everything = controls.controls(group, cases, fastest=largest)
    assert reference not in everything
    assert len({case.name for case in everything}) == len(everything) == 5


def test_whatever_is_selected_there_is_an_a_a_test_and_every_reference() -> None:
    contiguous = next(w for w in WORKLOADS if w.name == "float32, contiguous")
    found = controls.controls(contiguous.group, [contiguous], fastest=largest)
    assert sum(is_a_a_test_of(case, contiguous) for case in found) == 1
    loops = registry.group_of("cpu: whole loop, batch 64")
    found = controls.controls(loops[0].group, loops[-1:], fastest=largest)
    assert {case.name for case in found if case.mode == "plain"} == {
        case.name for case in loops if case.mode == "plain"
    }


def test_limits_run_on_the_threads_of_their_case() -> None:
    (case, *_) = (w for w in WORKLOADS if w.threads == 1)
    assert {product.threads for product in controls.ceilings(case)} == {1}
    beside = controls.controls(case.group, [case], fastest=largest)
    assert {work.threads for work in beside if work.kind == "copy"} == {1}


def largest(products: list[Workload]) -> Workload:
    return max(products, key=lambda product: product.size)


def test_optimizers_are_timed_beside_a_whole_step_and_the_copy() -> None:
    cases = registry.group_of("cpu: optimizer step")
    beside = controls.controls(cases[0].group, cases, fastest=pytest.fail)
    assert [case.kind for case in beside] == ["optimizer-step", "training-step", "copy"]
    assert beside[1].name.startswith("whole step")


@pytest.mark.parametrize("foreach", [True, False])
def test_what_an_operator_writes_without_returning_it_is_counted(*, foreach: bool) -> None:
    values, others = [torch.zeros(10), torch.zeros(20)], [torch.ones(10), torch.ones(20)]

    def add() -> None:
        if foreach:
            torch._foreach_add_(values, others)
        else:
            for value, other in zip(values, others, strict=True):
                value.add_(other)

    assert memory_traffic.count_bytes(add) == 4 * 30 * 3  # two read, one written


def test_a_fused_optimizer_reads_its_gradients_and_does_not_write_them() -> None:
    weights = torch.nn.Parameter(torch.zeros(100))
    weights.grad = torch.ones(100)
    optimizer = torch.optim.SGD([weights], lr=0.1, fused=True)
    assert memory_traffic.count_bytes(optimizer.step) == 4 * 100 * 3


def test_the_limit_is_the_product_that_was_fastest_in_this_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {256: 0.001, 512: 0.004, 1024: 0.1, 1280: 0.2}  # per FLOP, 512 is the fastest
    tried = []

    def warm_up(suite: Suite, workload: Workload, prepared: Prepared) -> WarmUp:
        tried.append(workload.size)
        return WarmUp(steady=True, window_seconds=(seconds[workload.size], 1.0))

    monkeypatch.setattr(Suite, "warm_up", warm_up)
    suite = Suite(dataset_name="digits")
    case = registry.group_of("cpu: training step, batch 64")[1]
    assert suite.fastest(controls.ceilings(case)).size == 512
    assert suite.fastest(controls.ceilings(case)).size == 512
    assert tried == [256, 512, 1024, 1280]


def test_only_single_calls_of_the_latency_groups_are_latencies() -> None:
    latencies = [w for w in WORKLOADS if w.metric == "latency"]
    assert latencies
    assert all("latency" in w.group and w.batch_size == 1 for w in latencies)
    others = [w for w in WORKLOADS if w.metric == "throughput"]
    assert any(w.batch_size == 1 and w.kind == "inference" for w in others)


def test_a_workload_round_trips_and_refuses_what_it_does_not_know() -> None:
    for workload in WORKLOADS:
        assert from_mapping(Workload, asdict(workload), kind="workload key") == workload
    with pytest.raises(UserError, match="unknown workload key 'sise'"):
        from_mapping(Workload, {"sise": 3}, kind="workload key")


def test_names_are_known_without_importing_torch(run_python) -> None:
    done = run_python(
        "-c", "import bench.workloads.controls, sys; sys.exit('torch' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr
