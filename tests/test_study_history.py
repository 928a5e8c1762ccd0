"""study.history: what happened on the way is kept, told where it matters, and changes nothing."""

from __future__ import annotations

import pytest

from mnist_core.errors import UserError
from study.history import History, read_history, write_history
from study.records import RunFolder
from study.report import write_report

from .study_samples import make_plan, write_study

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
        history = history.with_loss(key)
    write_history(folder.history_file, history)
    assert read_history(folder.history_file) == history
    section = report(folder).split(TITLE)[1].split("##")[0]
    assert "trial-adam-000, trial-sgd-001 (2 times)" in section
    assert "PostgreSQL" not in section


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
