"""study.records.incidents: what happened on the way is kept, told where it matters, and changes
nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support.study_samples import make_plan, write_study

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json
from study.records.incidents import (
    History,
    Loss,
    Outage,
    most_at_once,
    read_history,
    write_history,
)
from study.records.run_folder import RunFolder
from study.report import write_report

TITLE = "## What happened on the way"


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "study", make_plan())


def report(folder: RunFolder) -> str:
    write_report(folder)
    return (folder.path / "report.md").read_text()


def test_where_nothing_happened_there_is_nothing_to_tell(folder):
    write_history(folder.history_file, History())
    assert not folder.history_file.exists()
    assert read_history(folder.history_file) == History()
    assert TITLE not in report(folder)


def test_losses_are_counted_by_run_kept_and_told(folder):
    history = History()
    for key in ("trial-sgd-001", "trial-adam-000", "trial-sgd-001"):
        loss = Loss(key=key, time="2026-01-02T03:04:05Z", how="a worker process died")
        history = history.with_loss(loss)
    write_history(folder.history_file, history)
    assert read_history(folder.history_file) == history
    section = report(folder).split(TITLE)[1].split("##")[0]
    assert "trial-adam-000, trial-sgd-001 (2 times)" in section
    assert section.count("- 2026-01-02T03:04:05Z: trial-sgd-001 was lost: a worker process") == 2
    assert "PostgreSQL" not in section


def test_a_history_from_before_losses_were_told_one_by_one_is_read(folder):
    folder.history_file.write_text('{"processes": 6, "lost": {"trial-adam-000": 2}}')
    assert read_history(folder.history_file) == History(processes=6, lost={"trial-adam-000": 2})
    assert report(folder).count("trial-adam-000 (2 times)") == 1


def test_times_without_the_database_are_kept_and_told(folder):
    outage = Outage(began="2026-01-02T03:04:05Z", ended="2026-01-02T03:14:05Z")
    history = History(outages=(outage,))
    write_history(folder.history_file, history)
    assert read_history(folder.history_file) == history
    told = "- 2026-01-02T03:04:05Z: a process waited for the database until 2026-01-02T03:14:05Z"
    assert told in report(folder)


def begun(second: float, seconds: float) -> dict[str, Any]:
    return {"started": f"2026-01-02T03:04:{second:09.6f}+00:00", "seconds": seconds}


def test_runs_at_the_same_time_are_counted_from_when_they_began():
    one_after_another = [begun(0, 2), begun(2, 2), begun(4.5, 1)]
    assert most_at_once(one_after_another) == 1
    assert most_at_once([*one_after_another, begun(1, 2), begun(1.5, 1)]) == 3
    assert most_at_once([*one_after_another, {"seconds": 3.0}]) is None


def test_the_report_tells_how_many_runs_shared_the_machines(folder):
    assert "at the same time" not in report(folder)
    for key, record in folder.read_records().items():
        write_json(folder.record_file(key), {**record, **begun(0, 2)})
    count = len(folder.read_records())
    assert f"Up to {count} runs were trained at the same time." in report(folder)


def test_shared_studies_tell_how_many_processes_took_part(folder):
    write_history(folder.history_file, History(processes=3))
    assert "3 processes shared the runs, through a PostgreSQL database." in report(folder)


def test_a_history_changes_nothing_else_in_a_report(folder):
    before = report(folder)
    write_history(folder.history_file, History(processes=3))
    told = report(folder)
    start = told.index(TITLE)
    end = told.index("## ", start + len(TITLE))
    assert told[:start] + told[end:] == before


def test_a_damaged_history_is_named_with_the_way_out(folder):
    folder.history_file.write_text("{")
    with pytest.raises(UserError, match=r"history\.json is damaged .*delete it"):
        report(folder)
