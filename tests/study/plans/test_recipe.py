"""study.plans.recipe: what runs a recipe has, and which plans are refused."""

from __future__ import annotations

import json

import pytest
from support.recipe_runs import FAST, plan_of

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.recipes import RECIPES, recipe
from study.plans.recipe import RecipePlan


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
