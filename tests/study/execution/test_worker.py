"""What a worker records of a run that an earlier session began."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mnist_core.training import resume
from mnist_core.training.loop import train
from study.execution import worker as workers
from study.execution.worker import Task
from study.records.run_folder import RunFolder, run_seconds


def test_the_seconds_of_a_resumed_run_are_those_of_all_its_sessions(
    small_digits, make_config, monkeypatch, tmp_path
):
    folder = RunFolder(tmp_path)
    folder.make_folders()
    session = {"dataset": small_digits, "folder": folder, "environment": {}}
    monkeypatch.setattr(workers, "_worker", session)
    task = Task(
        key="trial-adam-000",
        kind="trial",
        arm="adam",
        variant=None,
        index=0,
        config=make_config(),
    )

    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 2:
            raise StoppedError

    resume_file = folder.checkpoint_file(task.key)
    with pytest.raises(StoppedError):
        train(task.config, small_digits, resume_file=resume_file, observe=stop)
    read = resume.read

    def read_slow_one(path):
        saved = read(path)
        (epoch,) = saved.record["epochs"]
        slow = {**epoch, "train_seconds": 300.0, "evaluation_seconds": 40.0}
        return replace(saved, record={**saved.record, "epochs": [slow]})

    monkeypatch.setattr(resume, "read", read_slow_one)
    record = workers._execute(task, None)
    first, second = record["epochs"]
    assert (first["train_seconds"], first["evaluation_seconds"]) == (300.0, 40.0)
    assert record["seconds"] > 340.0 + second["train_seconds"] + second["evaluation_seconds"]
    assert record["seconds"] < 400.0
    assert run_seconds(record) == record["seconds"]


def test_an_old_record_that_counted_its_last_session_alone_is_read_with_all_its_epochs():
    epochs = [{"train_seconds": 40.0, "evaluation_seconds": 2.0}] * 3
    assert run_seconds({"seconds": 42.5, "epochs": epochs}) == 126.0
    assert run_seconds({"seconds": 130.0, "epochs": epochs}) == 130.0
