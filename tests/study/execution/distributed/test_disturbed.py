"""Three processes share a study on PostgreSQL: whatever is killed, stopped, full or out of time,
every run is finished exactly once, to the bits and the report of the undisturbed study.

`STUDY_KILL_ROUNDS=20 python -m pytest -m slow tests/shared/test_disturbed.py` kills longer.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import signal
import time
from collections import Counter

import pytest
from support import study_processes
from support.postgres_server import SECRETS
from support.study_processes import OPTIONS, RUNS

from study.records.incidents import read_incidents
from study.records.run_folder import RunFolder

pytestmark = pytest.mark.slow

KILL_ROUNDS = int(os.environ.get("STUDY_KILL_ROUNDS", "1"))
STALE_AFTER_SECONDS = 8
SHARED = (
    *("--dataset", "digits", *OPTIONS, "--workers", 1),
    *("--stale-after", STALE_AFTER_SECONDS),
)
# What `import site` runs in a process that believes in another time of day; the time zone does the
# same to `datetime.now()`.
SHIFTED_CLOCK = """
import os, time
shift = int(os.environ["CLOCK_SHIFT_SECONDS"])
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + shift
time.time_ns = lambda: nanoseconds() + shift * 10**9
"""
CLOCKS = {
    "right": (0, "UTC", "UTC"),
    "ahead": (86_400, "AHEAD-23", "Pacific/Kiritimati"),
    "behind": (-86_400, "BEHIND+23", "Pacific/Pago_Pago"),
}


class SharedStudy:
    """Processes that share a study, all in one folder."""

    def __init__(self, folder, server, stack):
        self.folder = folder
        self.server = server
        self.url = server.new_database()
        self.processes = []
        self._stack = stack

    def start(self, *arguments, clock="right"):
        shift, zone, database_zone = CLOCKS[clock]
        place = self.folder / "clock"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(SHIFTED_CLOCK)
        variables = {
            "STUDY_STORAGE": self.url,
            "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
            "CLOCK_SHIFT_SECONDS": str(shift),
            "TZ": zone,
            "PGTZ": database_zone,
        }
        process = study_processes.started(self.folder, *SHARED, *arguments, variables=variables)
        self.processes.append(self._stack.enter_context(process))
        return self.processes[-1]

    def states(self):
        """Return (key, state) of all trials in the database."""
        return self.server.ask(
            "SELECT value_json::json #>> '{}', state::text FROM trials JOIN trial_user_attributes "
            "USING (trial_id) WHERE key = 'key'",
            url=self.url,
        )

    def finished(self):
        with contextlib.suppress(Exception):  # before the tables are there
            return [key for key, state in self.states() if state == "COMPLETE"]
        return []

    def wait_for_runs(self, count):
        deadline = time.monotonic() + study_processes.TIMEOUT_SECONDS
        while len(self.finished()) < count:
            assert time.monotonic() < deadline, f"there are not {count} finished runs"
            time.sleep(0.1)

    def end(self):
        """Wait for the end of all processes; return their exit codes."""
        codes = [process.end() for process in self.processes]
        assert all(process.is_gone() for process in self.processes)
        assert not any("Traceback" in process.stderr for process in self.processes), self.said()
        return codes

    def said(self):
        return "\n".join(process.stdout + process.stderr for process in self.processes)

    @property
    def run_folder(self):
        (path,) = (self.folder / "results" / "digits").glob("digits-*")
        return RunFolder(path)


@pytest.fixture
def shared(tmp_path, postgres):
    with contextlib.ExitStack() as stack:
        yield SharedStudy(tmp_path, postgres, stack)


def without_times(report):
    """Return a report without what every run of a study has of its own."""
    report = re.sub(r"## Incidents\n.*?(?=\n## )", "", report, flags=re.DOTALL)
    report = re.sub(r"## Time\n.*?(?=\n## )", "", report, flags=re.DOTALL)
    report = re.sub(r"- Started .*", "", report)
    report = re.sub(r"--workers \d+", "", report)
    return re.sub(r"\n{2,}", "\n\n", report)


@pytest.fixture
def assert_undisturbed(shared, undisturbed):
    """Compare what is in the end with the undisturbed study."""

    def check():
        states = shared.states()
        finished = Counter(key for key, state in states if state == "COMPLETE")
        expected = study_processes.results(undisturbed)
        assert len(expected) == RUNS
        assert finished == Counter(expected.keys())
        assert {state for _, state in states} <= {"COMPLETE", "FAIL"}
        folder = shared.run_folder
        assert study_processes.results(folder) == expected
        report = (folder.path / "report.md").read_text()
        undisturbed_report = (undisturbed.path / "report.md").read_text()
        assert without_times(report) == without_times(undisturbed_report)
        lost = Counter(key for key, state in states if state == "FAIL")
        incidents = read_incidents(folder.path)
        assert Counter(lost_run.key for lost_run in incidents.lost_runs) == lost
        assert all(key in report for key in lost)
        files = [file for file in shared.folder.rglob("*") if file.is_file()]
        everything = shared.said() + "".join(
            file.read_bytes().decode(errors="replace") for file in files
        )
        assert not [secret for secret in SECRETS if secret in everything]
        return incidents

    return check


@pytest.mark.parametrize("kill_round", range(KILL_ROUNDS))
def test_processes_whose_clocks_differ_are_killed_at_random_moments(
    shared, assert_undisturbed, kill_round
):
    chance = random.Random()
    studies = [shared.start(clock=clock) for clock in CLOCKS]
    killed = []
    for runs in sorted(chance.sample(range(RUNS - 1), 2)):
        shared.wait_for_runs(runs)
        time.sleep(chance.uniform(0, 1 if runs else 15))
        living = [
            (kind, pid)
            for study in studies
            for kind, pids in (
                ("workers", study.workers()),
                ("process", [study.process.pid] if study.process.poll() is None else []),
            )
            for pid in pids
        ]
        if living:
            kind, pid = chance.choice(living)
            killed.append((kind, len(shared.finished())))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    print(f"round {kill_round}: killed (what, after so many runs): {killed}")
    codes = shared.end()
    assert set(codes) <= {0, -signal.SIGKILL}
    if 0 not in codes:
        assert shared.start().end() == 0
    incidents = assert_undisturbed()
    # Nobody took a run that was alive for a stale one.
    assert len(incidents.lost_runs) <= len(killed)


def test_three_processes_do_what_one_does_though_the_server_is_stopped_in_the_middle(
    shared, assert_undisturbed, undisturbed, tmp_path
):
    for _ in range(3):
        shared.start()
    shared.wait_for_runs(3)
    shared.server.stop()
    time.sleep(4)
    shared.server.start()
    assert shared.end() == [0, 0, 0]
    assert "note: waiting for the PostgreSQL database" in shared.said()
    assert "note: the database is back" in shared.said()
    incidents = assert_undisturbed()
    assert incidents.processes == sum(f"/{RUNS}]" in study.stdout for study in shared.processes)
    assert incidents.outages
    assert shared.said().count("report: results/digits/digits-") == 1
    assert shared.said().count("another process wrote the report") == 2
    written = {file.name for file in shared.run_folder.path.iterdir()} - {"incidents.json"}
    alone = {file.name for file in undisturbed.path.iterdir()} - {"sessions.json"}
    assert written == alone  # how long a session took is told of one process's studies alone
    # The same command on a complete study writes the folder again, here into another place.
    again = shared.start("--output", "again")
    assert again.end() == 0
    assert "every run is done" in again.stdout
    assert study_processes.results(RunFolder(tmp_path / "again")) == study_processes.results(
        undisturbed
    )
    assert read_incidents(tmp_path / "again") == incidents


def test_a_worker_that_hangs_and_a_process_that_was_stopped_cost_their_run(
    shared, assert_undisturbed
):
    hung, stopped, _ = (shared.start() for _ in range(3))
    shared.wait_for_runs(2)
    for study in (hung, stopped):
        study.wait_until(study.workers, "a worker")
    os.kill(hung.workers()[0], signal.SIGSTOP)  # for ever: its own process ends it
    os.kill(stopped.process.pid, signal.SIGSTOP)
    shared.wait_for_runs(RUNS)
    os.kill(stopped.process.pid, signal.SIGCONT)
    assert shared.end() == [0, 0, 0]
    incidents = assert_undisturbed()
    # The hung worker's run is lost for certain, the other unless it was stopped between two runs.
    assert 1 <= len(incidents.lost_runs) <= 2
    assert all(lost_run.how.startswith("no progress for 8 s") for lost_run in incidents.lost_runs)


@pytest.mark.long
def test_a_full_disk_ends_a_process_and_the_others_go_on(shared, assert_undisturbed):
    full, *_ = (shared.start() for _ in range(3))
    full.wait_until(full.workers, "a worker")
    shared.wait_for_runs(1)
    for pid in full.workers():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, 100))
    assert shared.end() == [2, 0, 0]
    assert full.stderr.startswith("error: the operating system refused: ")
    assert "the same command joins the study again" in full.stderr
    assert_undisturbed()


@pytest.mark.long
def test_a_full_disk_of_the_database_is_waited_for(shared, assert_undisturbed):
    for _ in range(3):
        shared.start()
    shared.wait_for_runs(3)
    shared.server.fill_disk()
    time.sleep(3)
    shared.server.kill()
    shared.server.start()
    assert shared.end() == [0, 0, 0]
    assert "note: waiting for the PostgreSQL database" in shared.said()
    assert_undisturbed()


@pytest.mark.long
def test_sigterm_gives_the_runs_back_at_once(shared, assert_undisturbed):
    ended, *_ = (shared.start() for _ in range(3))
    shared.wait_for_runs(2)
    ended.process.terminate()
    assert shared.end() == [130, 0, 0]
    assert "the same command joins the study again" in ended.stdout
    assert_undisturbed()
