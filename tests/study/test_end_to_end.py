"""A whole small study as a newcomer runs it, without MNIST and without a network."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import sys
from pathlib import Path

import optuna
import pytest
from support import study_processes

from mnist_core.runtime.formatting import duration
from study import report
from study.records import sessions
from study.records.run_folder import RunFolder

SMALL = ("--optimizers", "sgd,adam", "--trials", 4, "--confirm-seeds", 2, "--batch-size", 64)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the default command's small sister in an empty folder."""
    folder = tmp_path_factory.mktemp("newcomer")
    completed = study_processes.run(folder, *SMALL)
    return folder, completed


@pytest.fixture
def output(finished):
    return finished[1].stdout


@pytest.fixture
def run_folder(finished):
    (path,) = (finished[0] / "results" / "digits").glob("optimizers-*")
    return RunFolder(path)


def test_a_study_without_mnist_and_network_ends_well_after_one_clear_line(finished):
    completed = finished[1]
    assert (completed.returncode, completed.stderr) == (0, "")
    first, second = completed.stdout.splitlines()[:2]
    assert first.startswith("note: MNIST is in none of ")
    assert "could not be downloaded" in first
    assert "Connection refused" in first
    assert second == "continuing with the embedded data set: digits"
    assert completed.stdout.count("could not be downloaded") == 1


def test_it_prints_what_it_will_do_before_it_does_it(output):
    before = output.split("[1/12]")[0]
    for words in (
        "study of sgd, adam on digits (scikit-learn)",
        "2 trials each",
        "sgd: 0.01 to 1, log-uniform",
        "2 fresh seeds",
        "12 runs, 0 done",
        "batch 64",
        "images/s per worker",
    ):
        assert words in before


def test_it_shows_every_run_and_the_time_left(output):
    lines = [line for line in output.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{n}/12" for n in range(1, 13)]
    assert all(re.search(r"validation \d+\.\d\d%.*about .+ left$", line) for line in lines)


def test_its_last_lines_are_the_finding_and_where_the_report_is(output, run_folder):
    headline, place = output.splitlines()[-2:]
    assert headline.startswith("digits (scikit-learn): ")
    assert place == f"report: {run_folder.path.relative_to(run_folder.path.parents[2])}/report.md"


def test_report_pictures_and_records_are_there_and_no_work_is_left(run_folder):
    names = {file.name for file in run_folder.path.iterdir()}
    assert {"report.md", "plan.json", "study.db", "ranking.png", "tuning.png"} <= names
    assert len(run_folder.read_records()) == 12
    assert list((run_folder.path / "checkpoints").iterdir()) == []
    assert not list(run_folder.path.rglob(".*"))


def test_the_session_is_on_the_clock(run_folder):
    (session,) = sessions.read(run_folder.path)
    assert session.runs == 12
    assert (
        f"On the clock: {duration(session.seconds)} with {session.workers} worker"
        in (run_folder.path / "report.md").read_text()
    )


def test_results_of_digits_have_an_index_of_their_own(finished, run_folder, output):
    results = finished[0] / "results"
    assert not (results / "README.md").exists()
    index = (results / "digits" / "README.md").read_text()
    assert "digits (scikit-learn)" in index
    (line,) = [line for line in index.splitlines() if "[report]" in line]
    assert f"[report]({run_folder.path.name}/report.md)" in line
    assert "4 trials, 1 epoch(s), 2 seeds" in line
    assert output.splitlines()[-2].replace("|", "\\|") in line


def test_nothing_names_the_machine_the_user_or_a_path(finished, run_folder):
    names = rf"\b({re.escape(socket.gethostname())}|{re.escape(getpass.getuser())})\b"
    for file in [*run_folder.path.rglob("*"), run_folder.path.parent / "README.md"]:
        if not file.is_file():
            continue
        content = file.read_bytes()
        for path in (finished[0], finished[0].parent, Path.home(), Path(sys.prefix)):
            assert bytes(path) not in content, (file, path)
        if file.suffix in (".md", ".json"):
            assert not re.search(names, content.decode()), file


def test_the_report_is_rebuilt_byte_for_byte_from_the_records(run_folder, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run_folder.path, copy)
    views = [file for file in copy.iterdir() if file.suffix in (".md", ".png")]
    assert len(views) == 5
    for view in views:
        view.unlink()
    assert report.main([str(copy)]) == 0
    assert capsys.readouterr().out.startswith("digits (scikit-learn): ")
    for view in views:
        assert view.read_bytes() == (run_folder.path / view.name).read_bytes(), view.name


def test_optunas_dashboard_sees_every_trial_complete(run_folder):
    summaries = optuna.get_all_study_summaries(run_folder.storage_url)
    assert sorted(summary.study_name for summary in summaries) == ["adam", "sgd"]
    for summary in summaries:
        study = optuna.load_study(study_name=summary.study_name, storage=run_folder.storage_url)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
        for trial in study.trials:
            key = f"trial-{summary.study_name}-{trial.number:03d}"
            record = run_folder.read_records()[key]
            assert trial.value == record.validation_accuracy
            assert trial.params == {"learning_rate": record.config.learning_rate}


def test_records_hold_what_happened(run_folder):
    for record in run_folder.read_records().values():
        assert record.status == "completed"
        assert len(record.epochs) == 1
        assert re.fullmatch(r"[0-9a-f]{64}", record.weights_sha256)
        assert record.environment in run_folder.read_environments()
        assert record.config.batch_size == 64
        if record.kind == "trial":
            assert record.test is None
        else:
            test = record.score
            assert test.count - test.correct == len(test.misclassified)
            assert test.count == json.loads(run_folder.plan_file.read_text())["data"]["test"]


def test_confirmations_of_one_seed_start_alike_and_other_seeds_differ(run_folder):
    records = run_folder.read_records()
    digests = {record.weights_sha256 for record in records.values()}
    assert len(digests) == 12
    seeds = {record.config.seed for record in records.values()}
    assert len(seeds) == 3


@pytest.mark.slow
def test_a_pruned_adaptive_study_is_the_same_with_one_worker_two_and_four(tmp_path):
    arguments = (
        *("--dataset", "digits", "--optimizers", "sgd,adam", "--trials", 8, "--seed", 3),
        *("--sampler", "tpe", "--pruner", "median", "--schedule", "constant", "--epochs", 2),
        *("--confirm-seeds", 2, "--output", "out"),
    )
    found = []
    for workers in (1, 2, 4):
        folder = tmp_path / str(workers)
        folder.mkdir()
        completed = study_processes.run(folder, *arguments, "--workers", workers)
        assert (completed.returncode, completed.stderr) == (0, "")
        found.append(study_processes.results(RunFolder(folder / "out")))
        states = {
            trial.state.name
            for name in ("sgd", "adam")
            for trial in optuna.load_study(
                study_name=name, storage=RunFolder(folder / "out").storage_url
            ).trials
        }
        assert states == {"COMPLETE", "PRUNED"}
    assert found[0] == found[1] == found[2]
    assert "pruned" in {record["status"] for record in found[0].values()}
