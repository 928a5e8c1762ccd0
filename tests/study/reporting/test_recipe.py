"""study.reporting.recipe: what the report of a recipe says, and that it is rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.recipe_runs import plan_of, run_record, write_recipe
from support.study_samples import ENVIRONMENT, MNIST, write_record

from mnist_core.config import TrainConfig
from mnist_core.recipes import RECIPES, recipe
from mnist_core.runtime.atomic_files import write_json
from study import recipe as command
from study import report as reporting
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.reporting import recipe as recipe_report
from study.reporting.page import accuracy
from study.stats.comparisons import Estimate


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return write_recipe(tmp_path / "run")


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
