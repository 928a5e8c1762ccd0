"""study.search.optuna_view: what Optuna's dashboard sees of a study's records."""

from __future__ import annotations

import json

import optuna
import pytest
from support.study_samples import make_plan, rates, run_task, search_records

from study.plans.space import space_from_table
from study.records.run_folder import RunFolder
from study.search.optuna_view import rebuild_view, write_view


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def opened(folder, arm="sgd"):
    return optuna.load_study(study_name=arm, storage=folder.storage_url)


def test_a_finished_search_opens_in_optuna_with_every_trial_complete(folder):
    plan = make_plan(epochs=3)
    records = search_records(plan)
    write_view(plan, folder, records)
    for name in plan.optimizers:
        study = opened(folder, name)
        assert study.user_attrs["plan"] == json.loads(json.dumps(plan.to_dict()))
        assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
        assert all(list(trial.intermediate_values) == [1, 2, 3] for trial in study.trials)
        shown = [trial.params["learning_rate"] for trial in study.trials]
        assert shown == rates(plan, records)[name]
        assert study.best_value == max(
            record.validation_accuracy for record in records.values() if record.arm == name
        )


def test_trials_are_told_as_they_ended(folder):
    plan = make_plan(trials=8, pruner="median", schedule="constant", epochs=2)
    records = {}
    for index, status in enumerate(("completed", "diverged", "pruned", "failed")):
        task = plan.trial_task("sgd", index, {"learning_rate": 0.1})
        records[task.key] = run_task(task, status=status)
        write_view(plan, folder, records)
    trials = opened(folder).trials
    assert [(trial.state.name, trial.user_attrs["status"]) for trial in trials] == [
        ("COMPLETE", "completed"),
        ("COMPLETE", "diverged"),
        ("PRUNED", "pruned"),
        ("COMPLETE", "failed"),
    ]
    assert [trials[index].value for index in (1, 3)] == [0.0, 0.0]


def test_a_trial_is_shown_once_and_waits_for_those_before_it(folder):
    plan = make_plan()
    records = search_records(plan)
    first = next(key for key in records if key.startswith("trial-sgd"))
    without = {key: record for key, record in records.items() if key != first}
    write_view(plan, folder, without)
    assert opened(folder).trials == []
    for _ in range(2):
        write_view(plan, folder, records)
        assert len(opened(folder).trials) == plan.trials_each
    rebuild_view(plan, folder, without)
    assert opened(folder).trials == []


def test_choices_are_shown_as_json(folder):
    table = {
        "learning_rate": {"low": 1e-4, "high": 1e-2},
        "betas": {"choices": [[0.9, 0.99], [0.8, 0.9]]},
    }
    table["default"] = {"learning_rate": 1e-3, "betas": [0.9, 0.999]}
    plan = make_plan(spaces={"adam": space_from_table("adam", {"label": "Adam", **table})})
    records = search_records(plan)
    write_view(plan, folder, records)
    assert [trial.params["betas"] for trial in opened(folder, "adam").trials] == [
        json.dumps(record.parameters["betas"])
        for record in records.values()
        if record.arm == "adam"
    ]
