"""Hooks of pytest and pytest-benchmark: one case a test, interleaved groups, one record a run.

pytest bench/ --benchmark-only      everything, a report under results/bench/
pytest bench/ --benchmark-disable   each case once, no report

A run of everything writes results/bench/<device>/<UTC time>/ and a line in results/README.md. A
run of less (-k, -x, a failure) writes its report under runs/bench/, which git ignores.
"""

import contextlib
import re
import shlex
from collections import Counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.suite import isolated, write_results
from bench.suite.isolated import Measure
from bench.suite.session import Suite
from bench.timing.measure import Clock
from bench.workloads.prepare import unavailable
from bench.workloads.prepared import clock_for
from bench.workloads.workload import Workload
from mnist_core.runtime.device import prepare_process
from mnist_core.runtime.provenance import code_version, environment

_SUITE = pytest.StashKey[Suite]()
_LEFT = pytest.StashKey[Counter[str]]()
_LINES = pytest.StashKey[list[str]]()


def _workload(item: pytest.Item) -> Workload | None:
    """Return the workload that the test is about."""
    call = getattr(item, "callspec", None)
    found = call.params.get("workload") if call is not None else None
    return found if isinstance(found, Workload) else None


def _disabled(config: pytest.Config) -> bool:
    session: Any = config._benchmarksession  # type: ignore[attr-defined]
    return bool(session.disabled)


def pytest_configure(config: pytest.Config) -> None:
    """Set the process up as mnist_core's commands do."""
    prepare_process()
    config.stash[_LEFT] = Counter()


def _timer(workload: Workload) -> Clock | None:
    """Return the clock that the workload's times need; None where any will do."""
    if workload.device == "cuda":
        return clock_for("cuda")
    return isolated.REPORTED_CLOCK if workload.mode == "onnxruntime" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Give each case its group, its clock and its share of the time; count those of each group,
    so that its last one is known."""
    config = session.config
    # One call of each case shows that it runs: any images do, and no file is needed.
    dataset_name = "digits" if _disabled(config) else "auto"
    command = shlex.join(["pytest", *map(without_path, map(str, config.invocation_params.args))])
    suite = config.stash[_SUITE] = Suite(dataset_name=dataset_name, command=command)
    share, chosen_timer = isolated.share(config), str(config.getoption("benchmark_timer"))
    for item in session.items:
        workload = _workload(item)
        if workload is None:
            continue
        config.stash[_LEFT][workload.group] += 1
        timer, reason = _timer(workload), unavailable(workload)
        if reason is not None:
            suite.skipped[workload.id] = reason
            item.add_marker(pytest.mark.skip(reason=reason))
        elif timer and chosen_timer != isolated.PLUGIN_TIMER and not _disabled(config):
            raise pytest.UsageError(
                f"--benchmark-timer {chosen_timer} cannot time {workload.id}, which has a clock "
                "of its own; leave the option out or choose other cases with -k"
            )
        limits = {"max_time": share.seconds, "min_rounds": share.rounds}
        clock = {"timer": timer} if timer else {}
        item.add_marker(pytest.mark.benchmark(group=workload.group, **limits, **clock))
        # What a compiler or a profiler of another version warns of is no reason to stop timing.
        item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture
def measure(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Measure:
    """Return what measures a workload: isolated through pytest-benchmark, later in its group."""
    suite = request.config.stash[_SUITE]

    def run(workload: Workload) -> None:
        prepared = suite.prepare(workload)
        share, disabled = isolated.share(request.config), _disabled(request.config)
        with contextlib.ExitStack() as unless_kept:
            unless_kept.callback(prepared.close)
            warm_up = None if disabled else suite.warm_up(workload, prepared)
            isolated.time_isolated(benchmark, prepared.call, warm_up, share=share)
            if warm_up is not None and benchmark.stats is not None:
                suite.add(workload, prepared, warm_up=warm_up)
                unless_kept.pop_all()

    return run


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Time a group interleaved when its last case is through."""
    workload = _workload(item)
    if workload is None:
        return
    left = item.config.stash[_LEFT]
    left[workload.group] -= 1
    if left[workload.group] == 0:
        item.config.stash[_SUITE].finish_group(workload.group)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the record and the report of what was measured."""
    suite = session.config.stash.get(_SUITE, None)
    if suite is None:
        return
    suite.abandon()
    if not suite.groups:
        return
    # xdist's workers are disabled by pytest-benchmark; nothing comes here from them.
    is_interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    passed = exitstatus == pytest.ExitCode.OK
    try:
        if is_interrupted:
            lines = write_results.keep_finished(suite)
        else:
            lines = write_results.write_reports(suite, passed=passed)
    except write_results.ProfilingError as error:
        lines, session.exitstatus = str(error).splitlines(), error.exit_code
    except OSError as error:
        what = "finished groups" if is_interrupted else "reports"
        lines = [f"error: the {what} could not be written: {error}"]
        session.exitstatus = exitstatus if is_interrupted else pytest.ExitCode.TESTS_FAILED
    session.config.stash[_LINES] = lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the reports are."""
    for line in terminalreporter.config.stash.get(_LINES, []):
        terminalreporter.write_line(line)


def without_path(word: str) -> str:
    """Replace a path that tells of the machine, absolute or outside the repository, or a URL."""
    return re.sub(r"^(-\w|--?[\w-]+=)?([/~]|\.\.|\w+://).*$", r"\1…", word, flags=re.DOTALL)


def pytest_benchmark_generate_machine_info(config: pytest.Config) -> dict[str, Any]:
    """Describe the machine without its name and without a clock frequency that moves."""
    machine = environment(prepare_process())
    del machine["code"]  # a comparison would call every commit another machine
    return machine


def pytest_benchmark_generate_commit_info(config: pytest.Config) -> dict[str, Any]:
    """Name the commit, without who made it and when."""
    version = code_version()
    return {"id": version["commit"], "dirty": version["dirty"]}


def pytest_benchmark_update_json(
    config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]
) -> None:
    """Put the percentiles of the interleaved times beside pytest-benchmark's own columns."""
    suite = config.stash[_SUITE]
    found = write_results.percentiles_of(suite)
    for entry in output_json["benchmarks"]:
        workload = entry["params"].pop("workload", None)
        if isinstance(workload, Workload):
            entry["params"]["workload"] = workload.id
            entry["extra_info"].update(found.get(workload.id, {}))
