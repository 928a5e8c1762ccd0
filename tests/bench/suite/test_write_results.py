"""bench.suite.write_results: what a run keeps when its profiling fails, or when it is
interrupted."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.analysis import record
from bench.analysis.record import GroupRecord
from bench.reporting import plots
from bench.suite import write_results as finish
from bench.suite.session import Suite

SOURCE = next((finish.RESULTS / "bench" / "cpu").glob("*/record.json"))
STARTED = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
STAMP = "20260102T030405Z"


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite with one finished group, whose files go to a folder of the test."""
    monkeypatch.setattr(finish, "ROOT", tmp_path)
    monkeypatch.setattr(finish, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(finish, "PARTIAL", tmp_path / "runs")
    monkeypatch.setattr(finish, "is_complete", lambda suite, device: True)
    monkeypatch.setattr(plots, "draw", lambda made, folder: [])
    return Suite(dataset_name="digits", groups=[group()])


def group() -> GroupRecord:
    found = record.read(SOURCE).group("cpu: training step, batch 64")
    assert found is not None
    return found


def write(suite: Suite) -> list[str]:
    return finish.write_reports(suite, passed=True, command="pytest bench/", started=STARTED)


def test_timings_outlive_a_profile_that_fails(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise finish.ProfilingError("profiling failed: no memory")

    monkeypatch.setattr(finish, "_profile", fail)
    with pytest.raises(finish.ProfilingError, match="profiling failed: no memory"):
        write(suite)
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    assert record.read(folder).groups == (group(),)
    assert (folder / "report.md").exists()


def test_ctrl_c_while_profiling_keeps_the_timings_and_is_told(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(finish.subprocess, "run", interrupted)
    with pytest.raises(finish.ProfilingError, match="interrupted while profiling") as told:
        write(suite)
    assert told.value.exit_code == pytest.ExitCode.INTERRUPTED
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    assert record.read(folder).groups == (group(),)
    assert (folder / "report.md").exists()


def test_the_record_is_written_before_the_profile_and_its_time_counts(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results" / "bench" / "cpu" / STAMP
    seen = []

    def profile(*_: Any) -> list[dict[str, Any]]:
        seen.append(record.read(folder).seconds)
        monkeypatch.setattr(finish, "_since", lambda started: seen[0] + 50.0)
        return []

    monkeypatch.setattr(finish, "_profile", profile)
    assert write(suite) == [f"report: results/bench/cpu/{STAMP}/report.md"]
    made = record.read(folder)
    assert made.created_utc == "2026-01-02 03:04"
    assert made.seconds == seen[0] + 50.0


def test_an_interrupted_run_keeps_its_finished_groups_and_says_how_to_render_them(
    suite: Suite, tmp_path: Path
) -> None:
    lines = finish.keep_finished(suite, command="pytest bench/", started=STARTED)
    where = f"runs/bench/cpu/{STAMP}"
    assert lines == [f"interrupted; the finished groups: python -m bench.report {where}"]
    kept = record.read(tmp_path / where)
    assert kept.groups == (group(),)
    assert not kept.complete
