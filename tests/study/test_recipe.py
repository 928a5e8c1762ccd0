"""Recipes on fresh seeds: the plan, what is run, what the report says, and that it replays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT
from support.study_samples import ENVIRONMENT, MNIST, run_task, write_record

from mnist_core.__main__ import main as core
from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.recipes import RECIPES, recipe
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.atomic_files import write_json
from study import recipe as command
from study import replay as replaying
from study import report as reporting
from study.execution import recipe_session
from study.plans.recipe import RecipePlan
from study.plans.task import Task
from study.records.run_folder import RunFolder
from study.records.run_record import FinalScore, ReferenceRecord, RunRecord, Score
from study.reporting import recipe as recipe_report
from study.reporting.page import accuracy
from study.stats.comparisons import Estimate

FAST, EXAMPLES = "train-mnist-fast", "pytorch-examples"
COMMITTED = [
    path for path in (ROOT / "results").glob("*/*") if (path / "recipe-00.safetensors").exists()
]


def plan_of(**changes) -> RecipePlan:
    return RecipePlan(**{"recipe": "baseline", "config": TrainConfig(), "seeds": 3, **changes})


def run_record(
    key: str, config: TrainConfig, *, correct: int, seconds: float, misclassified=()
) -> RunRecord:
    task = Task(
        key=key,
        kind="confirmation",
        arm=config.optimizer,
        variant=None,
        index=int(key[-2:]),
        config=config,
    )
    record = run_task(task, accuracy=0.991)
    half = replace(record.epochs[0], train_seconds=seconds / 2)
    return replace(
        record,
        epochs=(half, half),
        weights_sha256=f"{correct:064d}",
        seconds=seconds,
        test=FinalScore(
            correct=correct,
            count=10_000,
            loss=0.1,
            misclassified=dict.fromkeys(misclassified, 3),
        ),
    )


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    plan = plan_of(compare_with=(FAST, EXAMPLES))
    folder = RunFolder(tmp_path / "run")
    folder.begin(plan, data=MNIST, started="2026-01-02T03:04:05Z")
    write_json(folder.path / "environments" / "environment0.json", ENVIRONMENT)
    for index, (key, config) in enumerate(plan.run_configs().items()):
        record = run_record(
            key,
            config,
            correct=9_900 + 10 * index,
            seconds=3.0 + index,
            misclassified=[7, 10 + index],
        )
        write_record(folder, record)
    for name, seconds, correct in ((FAST, 8.0, 9_905), (EXAMPLES, 240.0, 9_901)):
        outcome = ReferenceRecord(
            key=f"reference-{name}-00",
            name=name,
            seed=0,
            epochs=REFERENCES[name].epochs,
            seconds=seconds,
            threads=2,
            parameters=REFERENCES[name].parameters,
            test=Score(correct=correct, count=10_000),
        )
        write_json(folder.record_file(outcome.key), outcome.to_dict())
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_stays_within_the_seeds_parameters(name):
    assert recipe(name).architecture().parameters() <= 23_354


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(UserError, match=r"unknown recipe 'best'; known: .*baseline"):
        recipe("best")


def test_a_plan_survives_its_file_whole():
    plan = plan_of(compare_with=(FAST,), seeds=7, threads=2)
    assert RecipePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_the_runs_have_seeds_of_their_own_that_more_runs_do_not_change():
    few, many = plan_of(seeds=3).run_configs(), plan_of(seeds=30).run_configs()
    assert len({config.seed for config in many.values()}) == 30
    assert {key: many[key] for key in few} == few
    assert all(config.with_seed(0) == TrainConfig() for config in many.values())
    other = plan_of(recipe="another").run_configs()
    assert not {c.seed for c in other.values()} & {c.seed for c in many.values()}
    fresh = plan_of(seed=1).run_configs()
    assert not {c.seed for c in fresh.values()} & {c.seed for c in many.values()}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"seeds": 1}, "seeds must be >= 2, as a single run has no interval, got 1"),
        ({"seed": -1}, "seed must be in [0, 2**63), got -1"),
        ({"threads": 0}, "threads must be >= 1, got 0"),
        ({"target_accuracy": 1.5}, "target_accuracy must be between 0 and 1, got 1.5"),
        (
            {"compare_with": ["slow"]},
            "unknown recipe to compare with 'slow'; known: plain, pytorch-examples",
        ),
        ({"compare_with": [FAST], "workers": 2}, "workers must be 1 with --compare-with, got 2"),
        (
            {"compare_with": [FAST], "config": TrainConfig(dataset="digits")},
            "--compare-with needs MNIST, got digits",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_the_rule_and_the_value(changes, rule):
    with pytest.raises(UserError) as caught:
        plan_of(**changes)
    assert rule in str(caught.value)


def test_the_report_says_mean_interval_times_and_what_stands_beside(folder):
    recipe_report.write_report(folder)
    text = (folder.path / "report.md").read_text()
    # mean of 99.00, 99.10, 99.20 and Student's t with 2 degrees: 99.10 ± 4.303 · 0.1 / √3
    assert "99.100 % (98.852 to 99.348 %) mean test accuracy over 3 seeds" in text
    assert "not below 99.00 %, though the interval reaches below it" in text
    assert "Training took 4.00 s (3.00 to 5.00) a run" in text
    assert "train_mnist_fast took 2.0 times as long" in text
    assert "main.py took 60.0 times as long" in text
    assert "1 test images are misclassified by every run, 4 by at least one" in text
    assert "99.01 % (one run)" in text


def test_the_report_says_what_a_network_of_several_views_reads(tmp_path):
    plan = plan_of(config=TrainConfig(network_options={"views": 9}))
    folder = RunFolder(tmp_path / "run")
    folder.begin(plan, data=MNIST, started="2026-01-02T03:04:05Z")
    recipe_report.write_report(folder)
    text = (folder.path / "report.md").read_text()
    assert "which averages its answers to 9 views of an image, moved by a pixel" in text
    flops = 9 * plan.config.architecture().forward_flops()
    assert f"{flops:,}" in text


def test_the_report_gives_no_accuracy_on_validation_images_that_were_trained_on(tmp_path):
    def text_of(config: TrainConfig) -> str:
        plan = plan_of(config=config, seeds=2)
        folder = RunFolder(tmp_path / config.digest())
        folder.begin(plan, data=MNIST, started="2026-01-02T03:04:05Z")
        write_json(folder.path / "environments" / "environment0.json", ENVIRONMENT)
        for key, each in plan.run_configs().items():
            write_record(folder, run_record(key, each, correct=9_900, seconds=1.0))
        recipe_report.write_report(folder)
        return (folder.path / "report.md").read_text()

    apart, trained_on = text_of(TrainConfig()), text_of(TrainConfig(train_on_validation=True))
    assert "of 55,000 images a run" in apart
    assert "The 5,000 validation images are not trained on" in apart
    assert "99.10 %" in apart
    assert "of 60,000 images a run" in trained_on
    assert "The 5,000 validation images are trained on as well" in trained_on
    assert "99.10 %" not in trained_on


def page_of(path: Path, plan: RecipePlan, *, correct: int = 9_900) -> str:
    """Write a plan's records and return its report."""
    folder = RunFolder(path)
    folder.begin(plan, data=MNIST, started="2026-01-02T03:04:05Z")
    write_json(folder.path / "environments" / "environment0.json", ENVIRONMENT)
    for index, (key, config) in enumerate(plan.run_configs().items()):
        record = run_record(key, config, correct=correct * (1 + index) // plan.seeds, seconds=1.0)
        write_record(folder, record)
    recipe_report.write_report(folder)
    return (folder.path / "report.md").read_text()


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_committed_recipe_is_the_one_of_its_name(path):
    plan = RunFolder(path).read_header()["plan"]
    assert plan.config.with_seed(0) == RECIPES[plan.recipe]
    assert plan.is_as_chosen


def test_a_report_says_where_the_recipe_of_its_name_is_another_one_now(tmp_path, monkeypatch):
    plan = plan_of(config=TrainConfig(epochs=2, seed=5))
    assert "another one now" not in page_of(tmp_path / "same", plan)
    changed = TrainConfig(learning_rate=0.01, label_smoothing=0.1, epochs=7)
    monkeypatch.setitem(RECIPES, "baseline", changed)
    text = page_of(tmp_path / "changed", plan)
    assert (
        "The recipe `baseline` is another one now: `label_smoothing` was the default, is 0.1; "
        in text
    )
    assert "`learning_rate` was 0.001, is 0.01. `python -m study.replay` with this folder" in text
    monkeypatch.delitem(RECIPES, "baseline")
    text = page_of(tmp_path / "gone", plan)
    assert "There is no recipe `baseline` any more: `python -m study.replay`" in text
    assert "```bash" not in text


def test_only_a_recipe_as_it_was_chosen_is_said_to_have_been_searched_for(tmp_path):
    def text_of(name: str, **changes) -> str:
        config = TrainConfig.from_dict({**recipe(name).to_dict(), **changes})
        return page_of(tmp_path / f"{name}-{config.digest()}", plan_of(recipe=name, config=config))

    record = text_of("accuracy")
    assert record.startswith("# How accurate can so few parameters be? MNIST\n")
    assert "each of a seed that the search for the recipe did not use" in record
    assert "docs/recipes.md tells how the recipe was chosen" in record
    assert "The 5,000 validation images are trained on as well" in record
    others = {
        text_of("baseline"): "# The recipe baseline on fresh seeds: MNIST\n",
        text_of("accuracy", dataset="cifar10"): "# The recipe accuracy on fresh seeds: MNIST\n",
        text_of("accuracy", epochs=2): "# The recipe accuracy on fresh seeds: MNIST\n",
    }
    for text, heading in others.items():
        assert text.startswith(heading)
        assert "each of a seed of its own" in text
        assert "docs/recipes.md" not in text
    assert "the recipe `accuracy`, for 2 epochs where it has 24, reach" in text_of(
        "accuracy", epochs=2, batch_size=64
    )


def test_costs_are_those_of_the_data_sets_images(tmp_path):
    config = TrainConfig.from_dict({**recipe("speed").to_dict(), "dataset": "cifar10"})
    text = page_of(tmp_path / "run", plan_of(recipe="speed", config=config))
    assert "(the baseline has 26,282)" in text
    assert "1,259,904" in text


def test_no_accuracy_lies_outside_0_to_100_percent_and_one_time_has_no_range(folder):
    estimate = Estimate(mean=0.2, low=-0.3, high=1.1, n=2)
    assert accuracy(estimate, digits=3) == "20.000 % (0.000 to 100.000 %)"
    recipe_report.write_report(folder)
    text = (folder.path / "report.md").read_text()
    assert "240.00 s (one run)" in text
    assert "240.00 to 240.00" not in text


def test_the_report_is_built_again_byte_for_byte(folder, capsys):
    recipe_report.write_report(folder)
    first = (folder.path / "report.md").read_bytes()
    (folder.path / "report.md").unlink()
    assert reporting.main([str(folder.path)]) == 0
    assert (folder.path / "report.md").read_bytes() == first
    assert "3 seeds" in capsys.readouterr().out


def test_the_command_of_the_report_asks_for_the_same_plan(folder, tmp_path):
    other = RunFolder(tmp_path / "other")
    other.begin(plan_of(seed=7), data=MNIST, started="2026-01-02T03:04:05Z")
    for each in (folder, other):
        recipe_report.write_report(each)
        text = (each.path / "report.md").read_text()
        words = text.partition("```bash\npython -m study.recipe ")[2].partition("\n```")[0].split()
        assert command.plan_of(command.parse(words)) == each.read_header()["plan"]


def test_a_folder_is_opened_as_what_it_holds(folder):
    assert isinstance(RunFolder(folder.path).read_header()["plan"], RecipePlan)
    assert [number for _, number, _ in RunFolder(folder.path).numbered_rows()] == [1, 2, 3]


def test_another_plan_or_other_data_are_not_gone_on_with(folder):
    plan = folder.read_header()["plan"]
    recipe_session.require_same(folder, plan, data=MNIST)
    other = plan_of(compare_with=plan.compare_with, seeds=3000)
    with pytest.raises(UserError, match="began with other options: seeds was 3, now 3000"):
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
