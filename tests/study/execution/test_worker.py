"""What a worker records of a run that an earlier session began."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest
from support.study_samples import make_plan

from mnist_core.training import resume
from mnist_core.training.loop import train
from study.execution import worker
from study.execution.pool import WorkerPool
from study.plans.task import Task
from study.records.run_folder import RunFolder


def test_the_seconds_of_a_resumed_run_are_those_of_all_its_sessions(
    small_digits, make_config, monkeypatch, tmp_path
):
    folder = RunFolder(tmp_path)
    folder.make_folders()
    session = worker.Session(folder=folder, dataset=small_digits, environment={})
    monkeypatch.setattr(worker, "_session", session)
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
    record = worker.execute(task, None)
    first, second = record.epochs
    assert (first.train_seconds, first.evaluation_seconds) == (300.0, 40.0)
    assert record.seconds > 340.0 + second.seconds
    assert record.seconds < 400.0


def test_a_task_of_a_pool_that_is_broken_is_lost_as_if_its_worker_had_died(tmp_path):
    plan = make_plan(optimizers=("sgd",), trials=1)
    task = plan.trial_task("sgd", 0, {"learning_rate": 0.1})
    pool = WorkerPool(plan, folder=tmp_path, data_dir=None, workers=1)
    with pool, pytest.MonkeyPatch.context() as patch:

        def broken(*arguments):
            raise BrokenProcessPool("a worker died")

        patch.setattr(pool._pool, "submit", broken)
        future = pool.submit(task)
        assert isinstance(future.exception(), BrokenProcessPool)
        assert pool.progress(future) == 0
