"""study.records.sessions: each session's time is kept, told in the report, and changes nothing
else."""

from __future__ import annotations

import pytest
from support.study_pages import summary_of
from support.study_samples import make_plan, write_study

from mnist_core.errors import UserError
from study.records import sessions
from study.records.sessions import Session
from study.reporting.study import page, write_report

LONG = Session(
    started="2026-01-02T03:04:05Z",
    ended="2026-01-02T03:12:35Z",
    seconds=510.0,
    workers=2,
    runs=20,
)
SHORT = Session(
    started="2026-01-03T03:04:05Z", ended="2026-01-03T03:05:05Z", seconds=60.0, workers=1, runs=4
)


def one_run_then(error, folder):
    done = []
    with sessions.recorded(folder, workers=1, count=lambda: len(done)):
        done.append(1)
        raise error


def test_a_session_is_added_as_it_ends_and_one_without_runs_is_not(tmp_path):
    done = [1, 2]
    for runs in (3, 0):
        with sessions.recorded(tmp_path, workers=2, count=lambda: len(done)):
            done.extend(range(runs))
    (session,) = sessions.read(tmp_path)
    assert (session.workers, session.runs) == (2, 3)
    assert 0 < session.seconds < 60
    assert session.started <= session.ended


def test_a_session_that_is_interrupted_is_added_to_the_earlier_ones(tmp_path):
    sessions.write(tmp_path, [LONG])
    with pytest.raises(KeyboardInterrupt):
        one_run_then(KeyboardInterrupt(), tmp_path)
    first, second = sessions.read(tmp_path)
    assert first == LONG
    assert (second.workers, second.runs) == (1, 1)


def test_a_disk_that_takes_no_more_does_not_hide_what_ended_the_session(tmp_path):
    with pytest.raises(UserError, match="full"):
        one_run_then(UserError("the disk is full"), tmp_path / "absent")


def test_a_damaged_file_ends_a_session_before_it_begins(tmp_path):
    (tmp_path / sessions.FILE).write_text('[{"runs": 1}]')
    with pytest.raises(UserError, match="damaged"):
        one_run_then(AssertionError("it began"), tmp_path)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([LONG], ["On the clock: 9 min with 2 workers (one session)."]),
        (
            [SHORT],
            [
                "On the clock: 60 s with 1 worker (one session, 4 of the 20 runs; of the others "
                "it is not known)."
            ],
        ),
        ([LONG, SHORT], ["On the clock: 10 min with 1 to 2 workers (2 sessions)."]),
    ],
)
def test_a_report_says_how_long_the_runs_took_and_of_how_many_that_is_known(
    entries, expected, tmp_path
):
    summary = summary_of(write_study(tmp_path / "study", make_plan()))
    assert summary.finished == 20
    lines = page(summary, [], sessions=entries).splitlines()
    assert [line for line in lines if line.startswith("On the clock")] == expected


def test_the_file_changes_one_line_of_a_report(tmp_path):
    folder = write_study(tmp_path / "study", make_plan())
    pages = []
    for entries in ([], [LONG]):
        if entries:
            sessions.write(folder.path, entries)
        write_report(folder)
        pages.append((folder.path / "report.md").read_text())
    line = "On the clock: 9 min with 2 workers (one session).\n\n"
    assert pages[1].replace(line, "") == pages[0] != pages[1]
    assert line.strip() in pages[1].split("## Time")[1].split("\n## ")[0]
