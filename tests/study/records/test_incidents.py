"""study.records.incidents: what happened on the way is kept, told where it matters, and changes
nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.study_samples import change_record, make_plan, run_task, write_study

from mnist_core.errors import UserError
from study.records.incidents import (
    FILE,
    Incidents,
    LostRun,
    Outage,
    max_at_once,
    read_incidents,
    write_incidents,
)
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord
from study.reporting.study import write_report

TITLE = "## Incidents"


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "study", make_plan())


def report(folder: RunFolder) -> str:
    write_report(folder)
    return (folder.path / "report.md").read_text()


def test_where_nothing_happened_there_is_nothing_to_tell(folder):
    write_incidents(folder.path, Incidents())
    assert not (folder.path / FILE).exists()
    assert read_incidents(folder.path) == Incidents()
    assert TITLE not in report(folder)


def test_lost_runs_are_counted_by_run_kept_and_told(folder):
    incidents = Incidents()
    for key in ("trial-sgd-001", "trial-adam-000", "trial-sgd-001"):
        lost_run = LostRun(key=key, time="2026-01-02T03:04:05Z", how="a worker process died")
        incidents = incidents.with_lost_run(lost_run)
    write_incidents(folder.path, incidents)
    assert read_incidents(folder.path) == incidents
    section = report(folder).split(TITLE)[1].split("##")[0]
    assert "trial-adam-000, trial-sgd-001 (2 times)" in section
    assert section.count("- 2026-01-02T03:04:05Z: trial-sgd-001 was lost: a worker process") == 2
    assert "PostgreSQL" not in section


def test_times_without_the_database_are_kept_and_told(folder):
    outage = Outage(began="2026-01-02T03:04:05Z", ended="2026-01-02T03:14:05Z")
    incidents = Incidents(outages=(outage,))
    write_incidents(folder.path, incidents)
    assert read_incidents(folder.path) == incidents
    told = "- 2026-01-02T03:04:05Z: a process waited for the database until 2026-01-02T03:14:05Z"
    assert told in report(folder)


RECORD = run_task(make_plan().trial_task("sgd", 0, {"learning_rate": 0.1}))


def run_of(second: float, seconds: float) -> RunRecord:
    started = f"2026-01-02T03:04:{second:09.6f}+00:00"
    return replace(RECORD, started=started, seconds=seconds)


def test_runs_at_the_same_time_are_counted_from_when_they_began():
    one_after_another = [run_of(0, 2), run_of(2, 2), run_of(4.5, 1)]
    assert max_at_once(one_after_another) == 1
    assert max_at_once([*one_after_another, run_of(1, 2), run_of(1.5, 1)]) == 3
    assert max_at_once([*one_after_another, RECORD]) is None


def test_the_report_tells_how_many_runs_shared_the_machines(folder):
    assert "at the same time" not in report(folder)
    records = folder.read_records()
    for key in records:
        change_record(folder, key, started="2026-01-02T03:04:00.000000+00:00", seconds=2.0)
    assert f"Up to {len(records)} runs were trained at the same time." in report(folder)


def test_shared_studies_tell_how_many_processes_took_part(folder):
    write_incidents(folder.path, Incidents(processes=3))
    assert "3 processes shared the runs, through a PostgreSQL database." in report(folder)


def test_incidents_change_nothing_else_in_a_report(folder):
    before = report(folder)
    write_incidents(folder.path, Incidents(processes=3))
    told = report(folder)
    start = told.index(TITLE)
    end = told.index("## ", start + len(TITLE))
    assert told[:start] + told[end:] == before


def test_a_damaged_file_is_named_with_the_way_out(folder):
    (folder.path / FILE).write_text("{")
    with pytest.raises(UserError, match=r"incidents\.json is damaged .*delete it"):
        report(folder)
