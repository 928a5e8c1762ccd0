"""Studies that are killed, interrupted or run out of disk go on to the same bits."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import pytest
from support import study_processes
from support.study_processes import OPTIONS, RUNS

from study.records.run_folder import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(undisturbed):
    results = study_processes.results(undisturbed)
    assert len(results) == RUNS
    return results


@pytest.fixture
def start(tmp_path):
    """Start the study on two workers in `tmp_path/study`."""

    def begin(*arguments, **keywords):
        return study_processes.started(
            tmp_path,
            *("--dataset", "digits", *OPTIONS, "--workers", 2, "--output", "out"),
            *arguments,
            **keywords,
        )

    return begin


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "out")


@pytest.fixture
def resume(tmp_path, folder):
    """Resume the study, to its end, and return its results."""

    def go_on():
        completed = study_processes.run(tmp_path, "--resume", "--output", "out")
        assert (completed.returncode, completed.stderr) == (0, "")
        report = (folder.path / "report.md").read_text()
        assert "Partial" not in report
        assert list((folder.path / "checkpoints").iterdir()) == []
        return study_processes.results(folder)

    return go_on


def test_an_output_asked_for_mnist_is_not_taken_by_digits(undisturbed, expected):
    asked_for = undisturbed.path.parent
    assert (undisturbed.path / "report.md").exists()
    assert not (asked_for / "X").exists()
    assert not (asked_for / "results").exists()


def test_a_study_terminated_then_killed_at_any_moment_goes_on_to_the_same_bits(
    tmp_path, start, resume, folder, expected
):
    with start() as study:
        study.wait_for_records(3, folder)
        study.process.terminate()
        assert study.end(timeout_seconds=20) == 130
        assert study.is_gone()
        assert study.stderr == ""
        assert "interrupted with " in study.stdout
        assert "python -m study.optimizers --resume --output out" in study.stdout
    report = (folder.path / "report.md").read_text()
    assert "> **Partial.** This study was interrupted" in report
    done = len(folder.read_records())
    assert 3 <= done < RUNS

    chance = random.Random()
    records, pause_seconds = chance.randrange(done, RUNS), chance.random() * 0.5
    print(f"killed {pause_seconds:.3f} s after {records} records")  # shown where it fails
    with study_processes.started(tmp_path, "--resume", "--output", "out") as study:
        study.wait_until(study.workers, "a worker")
        study.wait_for_records(records, folder)
        time.sleep(pause_seconds)
        study.process.kill()
        assert study.is_gone(), "workers outlived their parent"
        study.end()
        assert "Traceback" not in study.stderr
    assert resume() == expected


def test_a_study_goes_on_after_workers_are_killed(start, folder, expected):
    with start() as study:
        study.wait_until(lambda: len(study.workers()) == 2, "two workers")
        os.kill(study.workers()[0], signal.SIGKILL)  # while the pool starts
        study.wait_for_records(2, folder)
        os.kill(random.choice(study.workers()), signal.SIGKILL)
        assert study.end() == 0
        assert study.is_gone()
        assert "Traceback" not in study.stderr
    assert study_processes.results(folder) == expected


def test_ctrl_c_before_the_first_run_ends_soon_and_leaves_a_study_to_resume(start, folder):
    with start() as study:
        study.wait_until(lambda: len(study.workers()) == 2, "two workers")
        time.sleep(0.3)  # they import, and have not begun
        os.killpg(study.process.pid, signal.SIGINT)
        assert study.end(timeout_seconds=20) == 130
        assert study.is_gone()
        assert (study.stderr, "Traceback" in study.stdout) == ("", False)
    assert "> **Partial.**" in (folder.path / "report.md").read_text()
    assert folder.read_header()["plan"].trials == 4


def stop_writing(process, byte_count):
    """Let a running process write no more than some bytes into any file."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (byte_count, byte_count))


@pytest.mark.parametrize("whose", ["workers", "parent"])
def test_a_process_that_cannot_write_ends_the_study_and_loses_nothing(
    start, folder, expected, whose
):
    with start() as study:
        study.wait_for_records(2, folder)
        for pid in study.workers() if whose == "workers" else [study.process.pid]:
            stop_writing(pid, 100)
        assert study.end() == 2
        assert study.is_gone()
        assert study.stderr.startswith("error: ")
        assert "Traceback" not in study.stderr
        assert "--resume" in study.stderr
    left = study_processes.results(folder)
    assert len(left) >= 2
    assert left.items() <= expected.items()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 8 MB in a mount namespace; give its folder, and how to run in it."""
    place = tmp_path / "disk"
    place.mkdir()
    script = 'mount -t tmpfs -o size=8m tmpfs "$0" && echo mounted && exec sleep 300'
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("a small disk needs unshare and nsenter")
    holder = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script, str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("a small disk needs the right to mount one")
        inside = ["nsenter", "-t", str(holder.pid), "-m", f"--wd={tmp_path}"]
        yield RunFolder(type(place)(f"/proc/{holder.pid}/root{place}/study")), inside
        holder.kill()


def fill(file):
    """Write into a file until its disk is full."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while stream.write(b"0" * 4096):
            pass


def test_a_full_disk_ends_a_study_that_goes_on_once_there_is_space(tmp_path, small_disk, expected):
    folder, inside = small_disk
    filler = folder.path.parent / "filler"
    arguments = ("--output", tmp_path / "disk" / "study", "--workers", 2)
    begin = ("--dataset", "digits", *OPTIONS)
    with study_processes.started(tmp_path, *begin, *arguments, prefix=inside) as study:
        study.wait_for_records(2, folder)
        fill(filler)
        assert study.end() == 2
        assert study.is_gone()
        assert study.stderr.startswith("error: ")
        assert "Traceback" not in study.stderr
        assert "full" in study.stderr or "No space left" in study.stderr
    before = study_processes.results(folder)
    assert len(before) >= 2
    filler.unlink()
    with study_processes.started(tmp_path, "--resume", *arguments, prefix=inside) as study:
        assert study.end() == 0
        assert study.stderr == ""
    after = study_processes.results(folder)
    assert after == expected
    assert {key: after[key] for key in before} == before
