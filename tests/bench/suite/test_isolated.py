"""pytest-benchmark's options in the suite: each keeps its meaning in every case or is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from bench.conftest import without_path
from bench.suite import isolated
from bench.suite.isolated import Share
from bench.timing.measure import BlockPlan, Call, RemoteCall, WarmUp
from mnist_core.models import onnx_graph

WARM = WarmUp(steady=True, window_seconds=(0.01,))


def parsed(pytestconfig: pytest.Config, *arguments: str) -> pytest.Config:
    """Return a configuration that answers as if pytest had been started with the arguments."""
    values = pytestconfig._parser.parse_known_args(list(arguments))

    class Config:
        def getoption(self, name: str) -> object:
            return getattr(values, name)

    return Config()  # type: ignore[return-value]


def test_without_options_a_case_gets_the_suites_share_and_not_the_plugins(
    pytestconfig: pytest.Config,
) -> None:
    plain = parsed(pytestconfig)
    assert float(plain.getoption("benchmark_max_time")) == isolated.PLUGIN_SECONDS
    assert plain.getoption("benchmark_min_rounds") == isolated.PLUGIN_ROUNDS
    assert plain.getoption("benchmark_timer") == isolated.PLUGIN_TIMER
    assert isolated.share(plain) == Share(seconds=isolated.SECONDS, rounds=isolated.ROUNDS)


def test_options_that_are_given_are_the_share(pytestconfig: pytest.Config) -> None:
    given = parsed(pytestconfig, "--benchmark-max-time=0.5", "--benchmark-min-rounds=7")
    assert isolated.share(given) == Share(seconds=0.5, rounds=7)


class PytestBenchmark:
    """The fixture's `pedantic`, with a profile's call after the rounds."""

    def __init__(self) -> None:
        self.rounds = 0

    def pedantic(self, target, *, rounds: int, setup=lambda: ((), {})) -> None:
        self.rounds = rounds
        for _ in range(rounds + 1):
            arguments, keywords = setup()
            target(*arguments, **keywords)


@pytest.mark.parametrize(
    ("share", "rounds"),
    [
        (Share(), 10),
        (Share(rounds=40), 40),
        (Share(seconds=0.3), 30),
        (Share(seconds=0.001, rounds=3), 3),
    ],
)
def test_cases_with_a_setup_and_those_of_another_process_get_their_rounds(
    share: Share, rounds: int
) -> None:
    def time_block(how: BlockPlan) -> list[float]:
        return [0.01] * how.samples

    there = RemoteCall(warm_up=pytest.fail, time_block=time_block)
    here = Call(call=lambda argument: argument, setup=lambda: "made")
    for target in (there, here):
        benchmark = PytestBenchmark()
        isolated.time_isolated(benchmark, target, WARM, share=share)  # type: ignore[arg-type]
        assert benchmark.rounds == rounds


def run_suite(*arguments: str, addopts: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": addopts},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_timer_that_a_case_could_only_ignore_is_refused() -> None:
    if onnx_graph.missing_libraries():
        pytest.skip("the extra [onnx] is not installed")
    done = run_suite(
        "bench/bench_inference.py",
        "--benchmark-only",
        "--benchmark-timer=time.process_time",
        *("-k", "ONNX and one and thread"),
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--benchmark-timer time.process_time cannot time cpu: inference" in done.stderr


@pytest.mark.slow
def test_a_small_run_times_a_group_and_ends_in_a_report(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    done = run_suite(
        *("bench/bench_limits.py", "--benchmark-only", f"--benchmark-json={path}"),
        *("-k", "copy and cpu"),
        addopts="--benchmark-min-rounds=4 --benchmark-max-time=0.01",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads(path.read_text())["benchmarks"]
    assert len(entries) == 2
    for entry in entries:
        assert entry["options"]["min_rounds"] == 4
        assert entry["options"]["max_time"] == 0.01
    (place,) = re.findall(r"^report: (\S+)$", done.stdout, re.MULTILINE)
    folder = (ROOT / place).parent
    try:
        assert folder.is_relative_to(ROOT / "runs")
        made = json.loads((folder / "record.json").read_text())
        assert not made["complete"]
        (group,) = made["groups"]
        # The group was timed once, when the last of its cases was through.
        cases = {
            case["workload"]["name"]: case
            for case in group["cases"]
            if case["workload"]["role"] == "case"
        }
        assert set(cases) == {"copy, 4 MiB", "copy, 128 MiB"}
        for name, case in cases.items():
            assert len(case["blocks"]) >= 12
            assert name in (folder / "report.md").read_text()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("bench/", "bench/"),
        ("bench/bench_data.py", "bench/bench_data.py"),
        ("-k", "-k"),
        ("not compiled and batch", "not compiled and batch"),
        ("--benchmark-only", "--benchmark-only"),
        ("--benchmark-json=out.json", "--benchmark-json=out.json"),
        ("/home/someone/mnist/bench", "…"),
        ("/home/some one/mnist/bench", "…"),
        ("../../home/someone/bench", "…"),
        ("~/bench", "…"),
        ("--rootdir=/home/someone", "--rootdir=…"),
        ("--benchmark-storage=file:///home/someone/x", "--benchmark-storage=…"),
        ("file:///home/someone/x", "…"),
        ("-c/home/someone/x.toml", "-c…"),
    ],
)
def test_a_report_s_command_names_no_path_of_the_machine(word: str, told: str) -> None:
    assert without_path(word) == told
