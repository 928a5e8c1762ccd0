"""bench.suite.write_results: what a run keeps when its profiling fails, or when it is
interrupted."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.analysis import record_file
from bench.analysis.record import GroupRecord
from bench.reporting import plots
from bench.suite import write_results
from bench.suite.session import Suite

SOURCE = next((write_results.RESULTS / "bench" / "cpu").glob("*/record.json"))
STARTED = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
STAMP = "20260102T030405Z"


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite with one finished group, whose files go to a folder of the test."""
    monkeypatch.setattr(write_results, "ROOT", tmp_path)
    monkeypatch.setattr(write_results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(write_results, "PARTIAL", tmp_path / "runs")
    monkeypatch.setattr(write_results, "is_complete", lambda suite, device: True)
    monkeypatch.setattr(plots, "draw", lambda summary, folder: [])
    return Suite(dataset_name="digits", command="pytest bench/", started=STARTED, groups=[group()])


def group() -> GroupRecord:
    groups = record_file.read(SOURCE).groups
    return next(group for group in groups if group.name == "cpu: training step, batch 64")


def write(suite: Suite) -> list[str]:
    return write_results.write_reports(suite, passed=True)


def test_timings_outlive_a_profile_that_fails(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise write_results.ProfilingError("profiling failed: no memory")

    monkeypatch.setattr(write_results, "_profile", fail)
    with pytest.raises(write_results.ProfilingError, match="profiling failed: no memory"):
        write(suite)
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    assert record_file.read(folder).groups == (group(),)
    assert (folder / "report.md").exists()


def test_ctrl_c_while_profiling_keeps_the_timings_and_is_told(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_results.subprocess, "run", interrupted)
    with pytest.raises(write_results.ProfilingError, match="interrupted while profiling") as told:
        write(suite)
    assert told.value.exit_code == pytest.ExitCode.INTERRUPTED
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    assert record_file.read(folder).groups == (group(),)
    assert (folder / "report.md").exists()


def test_the_record_is_written_before_the_profile_and_its_time_counts(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    seen = []

    def profile(*_: Any) -> list[dict[str, Any]]:
        seen.append(record_file.read(folder).seconds)
        monkeypatch.setattr(write_results, "_since", lambda started: seen[0] + 50.0)
        return []

    monkeypatch.setattr(write_results, "_profile", profile)
    assert write(suite) == [f"report: results/bench/cpu/{STAMP}/report.md"]
    made = record_file.read(folder)
    assert made.created_utc == "2026-01-02 03:04"
    assert made.seconds == seen[0] + 50.0


def test_an_interrupted_run_keeps_its_finished_groups_and_says_how_to_render_them(
    suite: Suite, tmp_path: Path
) -> None:
    lines = write_results.keep_finished(suite)
    where = f"runs/bench/cpu/{STAMP}"
    assert lines == [f"interrupted; the finished groups: python -m bench.report {where}"]
    kept = record_file.read(tmp_path / where)
    assert kept.groups == (group(),)
    assert not kept.complete
