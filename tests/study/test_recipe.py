"""Recipes on fresh seeds: what is run, in which folder, and that it replays."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support import ROOT
from support.recipe_runs import EXAMPLES, FAST, plan_of, write_recipe
from support.study_samples import MNIST

from mnist_core.__main__ import main as core
from mnist_core.errors import UserError
from mnist_core.recipes import RECIPES
from mnist_core.references.registry import REFERENCES
from study import recipe as command
from study import replay as replaying
from study.execution import recipe_session
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.reporting import recipe as recipe_report

COMMITTED = [
    path for path in (ROOT / "results").glob("*/*") if (path / "recipe-00.safetensors").exists()
]


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return write_recipe(tmp_path / "run")


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_committed_recipe_is_the_one_of_its_name(path):
    plan = RunFolder(path).read_header()["plan"]
    assert plan.config.with_seed(0) == RECIPES[plan.recipe]
    assert plan.is_as_chosen


def test_a_folder_is_opened_as_what_it_holds(folder):
    assert isinstance(RunFolder(folder.path).read_header()["plan"], RecipePlan)
    assert [number for _, number, _ in RunFolder(folder.path).numbered_rows()] == [1, 2, 3]


def test_another_plan_or_other_data_are_not_gone_on_with(folder):
    plan = folder.read_header()["plan"]
    recipe_session.require_same(folder, plan, data=MNIST)
    other = plan_of(compare_with=plan.compare_with, seeds=3000)
    with pytest.raises(UserError, match="began with other options: --seeds was 3, now 3000"):
        recipe_session.require_same(folder, other, data=MNIST)
    with pytest.raises(UserError, match="began with other data"):
        recipe_session.require_same(folder, plan, data={**MNIST, "sha256": "b" * 64})
    with pytest.raises(UserError, match="already holds a run"):
        folder.begin(plan, data=MNIST, started="now")


@pytest.mark.slow
def test_another_recipe_is_timed_in_its_turn_recorded_once_and_reported(
    learnable_mnist, folder, capsys, monkeypatch
):
    plan = folder.read_header()["plan"]
    monkeypatch.setitem(REFERENCES, FAST, replace(REFERENCES[FAST], every=2))
    for name in plan.compare_with:
        folder.record_file(f"reference-{name}-00").unlink()
        for index in (0, 1, 0):  # not the turn of the second run, and done already for the third
            recipe_session.run_reference(folder, name, index, data_dir=learnable_mnist)
    said = capsys.readouterr().out
    assert said.count("s of training") == 2
    found = folder.read_references()
    assert set(found) == {f"reference-{FAST}-00", f"reference-{EXAMPLES}-00"}
    recipe_report.write_report(folder)
    assert "train_mnist_fast (215,194 parameters)" in (folder.path / "report.md").read_text()


def test_another_recipe_that_fails_is_said_with_its_reason(learnable_mnist, folder, monkeypatch):
    folder.record_file(f"reference-{FAST}-00").unlink()
    monkeypatch.setattr(recipe_session.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="train_mnist_fast could not be run"):
        recipe_session.run_reference(folder, FAST, 0, data_dir=learnable_mnist)


@pytest.mark.slow
def test_a_recipe_runs_resumes_replays_and_leaves_a_network(tmp_path, capfd, monkeypatch):
    output = tmp_path / "run"
    words = ["baseline", "--dataset", "digits", "--epochs", "1", "--seeds", "2", "--threads", "1"]
    words += ["--output", str(output)]
    assert command.main(words) == 0
    report = (output / "report.md").read_text()
    assert "mean test accuracy over 2 seeds" in report
    assert command.main(words) == 2
    assert "already holds a run" in capfd.readouterr().err

    lost = output / "records" / "recipe-01.json"
    before = json.loads(lost.read_text())["weights_sha256"]
    lost.unlink()
    assert command.main([*words, "--resume"]) == 0
    assert json.loads(lost.read_text())["weights_sha256"] == before

    assert replaying.main([str(output), "--all"]) == 0
    assert "2 of 2 rows identical" in capfd.readouterr().out

    assert core(["evaluate", str(output / "recipe-00.safetensors")]) == 0
    correct = json.loads((output / "records" / "recipe-00.json").read_text())["test"]["correct"]
    assert f"{correct / 300:.2%}" in capfd.readouterr().out
