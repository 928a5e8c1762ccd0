"""ONNX Runtime as a variant of inference: a real process answers, times itself and dies."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import time
from collections.abc import Iterator

import pytest
import torch

from bench.suite import isolated
from bench.timing import blocks, measure
from bench.timing.measure import BlockPlan, RemoteCall, WarmUp
from bench.timing.remote import WorkerError, onnx_worker
from bench.workloads import networks, onnx_runtime, prepare
from bench.workloads.prepared import plan_for
from bench.workloads.registry import WORKLOADS, group_of
from bench.workloads.workload import Workload
from mnist_core.errors import UserError
from mnist_core.models import onnx_export, onnx_graph
from mnist_core.models.network import build_network

CASES = [workload for workload in WORKLOADS if workload.mode == "onnxruntime"]
LATENCY = next(
    workload for workload in CASES if workload.metric == "latency" and workload.threads == 1
)
BATCH = next(workload for workload in CASES if workload.batch_size == 16)


@pytest.fixture
def installed() -> None:
    missing = onnx_graph.missing_libraries()
    if missing:
        pytest.skip(f"the extra [onnx] is not installed: {' and '.join(missing)} missing")


@pytest.fixture
def loaded(installed: None) -> Iterator[RemoteCall]:
    yield onnx_runtime.load(LATENCY)
    onnx_runtime.drop(LATENCY)


def test_it_stands_beside_torch_in_every_inference_group_of_the_cpu() -> None:
    groups = {w.group for w in WORKLOADS if w.kind == "inference" and w.device == "cpu"}
    assert {workload.group for workload in CASES} == groups
    assert {(w.device, w.precision, w.layout) for w in CASES} == {("cpu", "float32", "contiguous")}


def test_the_process_that_is_timed_has_no_torch_in_it(run_python) -> None:
    done = run_python(
        "-c", "import bench.workers.onnx_runtime, sys; sys.exit('torch' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_a_case_is_prepared_with_its_work_and_warmed_up_and_timed_by_that_process(
    installed: None,
) -> None:
    prepared = prepare.prepare(BATCH, dataset_name="digits")
    try:
        torchs = prepare.prepare(group_of(BATCH.group)[0], dataset_name="digits")
        assert (prepared.images, prepared.flops) == (16, torchs.flops)
        warm = measure.warm_up(prepared.call, clock=pytest.fail)
        assert isinstance(warm.window_seconds, tuple)
        assert min(warm.window_seconds) > 0
        plan = plan_for(BATCH, prepared, call_seconds=warm.window_seconds[-1])
        assert plan.warm_up_calls * warm.window_seconds[-1] >= blocks.WARM_UP_SECONDS
        started = time.perf_counter()
        (seconds,) = blocks.time_block(prepared.call, plan, clock=pytest.fail)
        assert 0 < seconds * plan.iterations < time.perf_counter() - started
    finally:
        prepared.close()


def test_the_version_that_is_timed_is_told(installed: None) -> None:
    assert onnx_runtime.version() == importlib.metadata.version("onnxruntime")


def test_a_latency_is_timed_call_by_call(loaded: RemoteCall) -> None:
    samples = loaded.time_block(BlockPlan(iterations=1, samples=7, warm_up_calls=1))
    assert len(samples) == 7
    assert min(samples) > 0


def test_the_version_is_known_when_that_process_has_ended(installed: None) -> None:
    prepared = prepare.prepare(BATCH, dataset_name="digits")
    os.kill(onnx_worker().process.pid, signal.SIGKILL)
    try:
        prepared.close()
        assert onnx_runtime.version().count(".") == 2
    finally:
        onnx_worker().close()
        onnx_worker.cache_clear()


def test_an_answer_that_is_not_torchs_is_never_timed(
    installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build_network(seed=networks.SEED + 1, device=torch.device("cpu"))
    content = onnx_graph.build(other, onnx_graph.ExportOptions(dataset="mnist"))
    monkeypatch.setattr(onnx_graph, "build", lambda *_: content)
    with pytest.raises(
        onnx_export.SelfCheckError, match="of 16 images 16 get other log-probabilities"
    ):
        onnx_runtime.load(BATCH)


def test_a_process_that_was_killed_is_an_error_at_once_and_closing_is_none(
    loaded: RemoteCall,
) -> None:
    worker = onnx_worker()
    os.kill(worker.process.pid, signal.SIGKILL)
    try:
        with pytest.raises(WorkerError, match="the process ended during 'block' with code -9"):
            loaded.time_block(BlockPlan(iterations=1, samples=1, warm_up_calls=0))
        with pytest.raises(WorkerError, match="the process ended during 'load' with code -9"):
            onnx_runtime.load(BATCH)
        onnx_runtime.drop(LATENCY)
        worker.close()
        worker.close()
    finally:
        onnx_worker.cache_clear()


def test_what_goes_wrong_in_the_process_is_told_and_it_lives_on(loaded: RemoteCall) -> None:
    with pytest.raises(WorkerError, match="KeyError: 'no such case'"):
        onnx_worker().ask("warm_up", case="no such case")
    assert len(loaded.time_block(BlockPlan(iterations=1, samples=1, warm_up_calls=0))) == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (["onnxruntime"], "the extra [onnx], and onnxruntime is not installed"),
        (["onnx", "onnxruntime"], "the extra [onnx], and onnx and onnxruntime are not installed"),
    ],
)
def test_without_the_extra_only_these_cases_are_unavailable_and_say_why(
    missing: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "missing_libraries", lambda: missing)
    assert all(words in str(prepare.unavailable(workload)) for workload in CASES)
    others: list[Workload] = [w for w in WORKLOADS if w not in CASES and w.device == "cpu"]
    assert not [w for w in others if "[onnx]" in str(prepare.unavailable(w))]
    with pytest.raises(UserError, match="cannot run here: ONNX Runtime needs the extra"):
        prepare.prepare(LATENCY, dataset_name="digits")


class PytestBenchmark:
    """The fixture's `pedantic`, timed by the clock that these cases are given."""

    def __init__(self) -> None:
        self.data: list[float] = []

    def pedantic(self, target, rounds: int) -> None:
        for _ in range(rounds):
            started = isolated.REPORTED_CLOCK()
            target()
            self.data.append(isolated.REPORTED_CLOCK() - started)


@pytest.mark.parametrize("warm", [WarmUp(steady=True, window_seconds=(0.01,)), None])
def test_pytest_benchmark_is_given_the_times_of_the_process(warm: WarmUp | None) -> None:
    given: list[float] = []

    def time_block(how: BlockPlan) -> list[float]:
        assert how.iterations == 1
        given.extend(0.01 + index / 1000 for index in range(how.samples))
        return given

    benchmark = PytestBenchmark()
    target = RemoteCall(warm_up=pytest.fail, time_block=time_block)
    isolated.time_isolated(benchmark, target, warm, share=isolated.Share())  # type: ignore[arg-type]
    assert benchmark.data == pytest.approx(given)
    assert len(given) == (10 if warm else 1)
