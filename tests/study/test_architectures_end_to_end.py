"""A small study of architectures on digits: killed and resumed, replayed, rebuilt."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import optuna
import pytest
from support import study_processes

from study.execution.latency import architectures_of
from study.records import latency
from study.records.run_folder import RunFolder

pytestmark = pytest.mark.slow

MODULE = "study.architectures"
RUNS = 12
OPTIONS = (
    *("--dataset", "digits", "--families", "dropout,deep", "--trials", 4, "--confirm-seeds", 2),
    *("--max-parameters", 6000, "--max-flops", 2_000_000, "--output", "out"),
)


def run(folder, *arguments):
    completed = study_processes.run(folder, *arguments, module=MODULE)
    assert (completed.returncode, completed.stderr) == (0, "")
    return completed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    completed = run(folder, *OPTIONS, "--workers", 1)
    assert "measuring the latency of " in completed.stdout
    return RunFolder(folder / "out")


def test_every_trial_is_within_the_limits_and_every_run_has_ended_well(undisturbed):
    records = undisturbed.read_records()
    assert len(records) == RUNS
    assert {record.status for record in records.values()} == {"completed"}
    for record in records.values():
        if record.kind == "trial":
            architecture = record.config.architecture()
            assert architecture.parameters() <= 6000
            assert architecture.forward_flops() <= 2_000_000


def test_a_killed_study_goes_on_to_the_same_bits_on_two_workers(undisturbed, tmp_path):
    folder = RunFolder(tmp_path / "out")
    keywords = {"module": MODULE}
    with study_processes.started(tmp_path, *OPTIONS, "--workers", 2, **keywords) as study:
        study.wait_for_records(5, folder)
        os.killpg(study.process.pid, signal.SIGKILL)
        study.end()
        assert study.is_gone()
    assert len(folder.read_records()) < RUNS
    assert not (folder.path / latency.FILE).exists()
    run(tmp_path, "--resume", "--output", "out")
    assert study_processes.results(folder) == study_processes.results(undisturbed)
    measured = latency.read(folder.path)
    assert measured is not None
    assert set(measured.round_medians) == set(architectures_of(folder.read_records().values()))


def test_a_resumed_study_that_is_done_measures_nothing_again(undisturbed, tmp_path):
    shutil.copytree(undisturbed.path, tmp_path / "out")
    completed = run(tmp_path, "--resume", "--output", "out")
    assert "measuring" not in completed.stdout
    for name in ("report.md", "cost.png", "latency.json"):
        assert (tmp_path / "out" / name).read_bytes() == (undisturbed.path / name).read_bytes()


def test_a_row_is_replayed_to_the_same_bits(undisturbed):
    completed = subprocess.run(
        [sys.executable, "-m", "study.replay", str(undisturbed.path), "--trial", "3"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert re.search(
        r": identical \(weights [0-9a-f]{16}\)\n1 of 1 rows identical", completed.stdout
    )


def test_optunas_dashboard_sees_what_was_proposed(undisturbed):
    records = undisturbed.read_records()
    for name in ("dropout", "deep"):
        study = optuna.load_study(study_name=name, storage=undisturbed.storage_url)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
        for trial in study.trials:
            layers = records[f"trial-{name}-{trial.number:03d}"].config.network_options["layers"]
            assert trial.params["width"] == layers[0]
