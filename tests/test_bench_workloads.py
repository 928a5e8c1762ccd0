"""bench.workloads: the registry is complete, its names are unique, and cheap to read."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest

from bench import workloads
from bench.workloads import LIMIT_PREFIX, TWIN_SUFFIX, WORKLOADS, Workload
from mnist_core.errors import UserError
from mnist_core.optimizers import OPTIMIZERS

GROUPS = sorted({workload.group for workload in WORKLOADS})


def test_names_are_unique() -> None:
    assert [name for name, n in Counter(w.id for w in WORKLOADS).items() if n > 1] == []


def test_a_group_is_of_one_device_and_named_after_it() -> None:
    for group in GROUPS:
        (device,) = {workload.device for workload in workloads.group_of(group)}
        assert group.startswith(f"{device}: ")


def test_every_case_of_the_registry_is_collected_once_by_a_file() -> None:
    collected: Counter[str] = Counter()
    for path in (Path(workloads.__file__).parent).glob("bench_*.py"):
        module = importlib.import_module(f"bench.{path.stem}")
        name = f"test_{path.stem.removeprefix('bench_')}"
        (mark,) = getattr(module, name).pytestmark
        collected.update(workload.id for workload in mark.args[1])
    assert collected == Counter(workload.id for workload in WORKLOADS)


def test_cpu_and_cuda_have_the_same_cases_but_for_threads_formats_and_graphs() -> None:
    def names(device: str, kind: str) -> set[str]:
        return {
            f"{w.group.removeprefix(device)}/{w.name}"
            for w in WORKLOADS
            if w.device == device and w.kind == kind
            if w.mode != "captured" and w.precision != "tf32"
        }

    for kind in ("training-step", "optimizer-step", "training-loop", "seed-loop"):
        assert names("cpu", kind) == names("cuda", kind)


def test_on_cuda_steps_and_calls_are_replayed_from_graphs_too() -> None:
    captured = [w for w in WORKLOADS if w.mode == "captured"]
    assert {w.device for w in captured} == {"cuda"}
    for kind in ("training-step", "inference"):
        groups = {w.group for w in workloads.of_kind(kind) if w.device == "cuda"}
        assert {w.group for w in captured if w.kind == kind} == groups


def test_every_optimizer_is_timed() -> None:
    timed = {w.optimizer for w in workloads.of_kind("optimizer-step") if w.mode != "seed"}
    assert timed == set(OPTIMIZERS)


@pytest.mark.parametrize("group", [name for name in GROUPS if "limits" not in name])
def test_each_group_has_a_yardstick_and_one_twin(group: str) -> None:
    cases = workloads.group_of(group)
    assert cases[0].mode in ("seed", "naive", "per-image")
    assert sum(case.twin for case in cases) == 1


def test_companions_are_the_reference_the_twin_and_the_limits() -> None:
    group = "cpu: training step, batch 64"
    reference, float32, *_ = cases = workloads.group_of(group)
    alone = workloads.companions(group, [float32])
    assert [case.name for case in alone] == [
        reference.name,
        float32.name + TWIN_SUFFIX,
        f"{LIMIT_PREFIX}GEMM float32",
        f"{LIMIT_PREFIX}memory copy",
    ]
    everything = workloads.companions(group, cases)
    assert reference not in everything
    assert len({case.name for case in everything}) == len(everything) == 4


def test_limits_run_on_the_threads_of_their_case() -> None:
    (case, *_) = (w for w in WORKLOADS if w.threads == 1)
    assert workloads.ceiling(case).threads == workloads.bandwidth(case).threads == 1


def test_only_single_calls_of_the_latency_groups_are_latencies() -> None:
    assert all("latency" in w.group and w.batch_size == 1 for w in WORKLOADS if w.latency)
    assert any(w.batch_size == 1 and w.kind == "inference" and not w.latency for w in WORKLOADS)


def test_a_workload_round_trips_and_refuses_what_it_does_not_know() -> None:
    for workload in WORKLOADS:
        assert Workload.from_dict(workload.to_dict()) == workload
    with pytest.raises(UserError, match="unknown workload key 'sise'"):
        Workload.from_dict({"sise": 3})


def test_names_are_known_without_importing_torch(run_python) -> None:
    done = run_python("-c", "import bench.workloads, sys; sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr
