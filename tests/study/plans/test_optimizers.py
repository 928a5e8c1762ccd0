"""study.plans.base: the same runs for the same seed, equal budgets, and nothing wrong accepted."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from support.study_samples import make_plan

from mnist_core.data.registry import DATASETS
from mnist_core.data.spec import AUGMENTATIONS
from mnist_core.errors import UserError
from study.plans.choices import PRUNERS, SAMPLERS
from study.plans.optimizers import OptimizerPlan
from study.plans.space import registry_space, space_from_table

RATE = {"learning_rate": 0.02}
SIX = ("sgd", "nesterov", "rmsprop", "adam", "adamw", "nadam")


def confirmations(plan):
    return [
        plan.trial_config(name, {"learning_rate": 0.01}).with_seed(seed).digest()
        for name in plan.optimizers
        for seed in plan.confirmation_seeds()
    ]


def test_the_default_is_thirty_trials_of_six_optimizers_five_each():
    plan = OptimizerPlan()
    assert (plan.optimizers, plan.trials, plan.trials_each) == (SIX, 30, 5)
    assert plan.confirm_seeds >= 3


@pytest.mark.parametrize(("trials", "each"), [(6, 1), (11, 1), (30, 5), (31, 5), (35, 5), (36, 6)])
def test_budgets_are_equal_whatever_the_trials(trials, each):
    plan = OptimizerPlan(optimizers=SIX, trials=trials)
    assert plan.trials_each == each


def test_rows_count_the_search_and_both_confirmations_of_each_optimizer():
    plan = make_plan(optimizers=("sgd", "adam", "nadam"), trials=13, confirm_seeds=4)
    assert plan.rows == 3 * 4 + 3 * 2 * 4


def test_the_same_seed_gives_the_same_confirmation_and_another_seed_another():
    first, again, other = make_plan(seed=5), make_plan(seed=5), make_plan(seed=6)
    assert confirmations(first) == confirmations(again)
    assert not set(confirmations(first)) & set(confirmations(other))


@pytest.mark.parametrize("seed", range(20))
def test_confirmation_seeds_are_fresh_and_different(seed):
    plan = make_plan(seed=seed, confirm_seeds=50)
    seeds = plan.confirmation_seeds()
    assert len(set(seeds)) == 50
    assert plan.trial_config("sgd", {"learning_rate": 0.1}).seed not in seeds


def test_more_confirmation_seeds_extend_the_fewer():
    few = make_plan(confirm_seeds=3).confirmation_seeds()
    assert make_plan(confirm_seeds=7).confirmation_seeds()[:3] == few


def test_all_trials_share_one_seed_and_differ_in_what_is_searched_alone():
    plan = make_plan(seed=3)
    first = plan.trial_config("sgd", {"learning_rate": 0.1}).to_dict()
    second = plan.trial_config("adam", {"learning_rate": 0.2}).to_dict()
    different = {key for key in first if first[key] != second[key]}
    assert different == {"optimizer", "learning_rate"}
    assert first["seed"] == 3


def test_every_option_reaches_the_runs():
    plan = make_plan(
        epochs=3, batch_size=32, schedule="cosine", augmentation="baseline", dataset="digits"
    )
    config = plan.trial_config("adam", {"learning_rate": 0.02})
    assert (config.epochs, config.batch_size, config.schedule) == (3, 32, "cosine")
    assert (config.rotation_degrees, config.translation) == (10.0, 0.1)
    assert (config.dataset, config.optimizer, config.learning_rate) == ("digits", "adam", 0.02)


@pytest.mark.parametrize("name", DATASETS)
def test_the_recommended_augmentation_is_the_data_sets_and_mirrors_no_digit_or_letter(name):
    spec = DATASETS[name]
    config = make_plan(dataset=name, augmentation="recommended").trial_config("adam", RATE)
    found = (config.rotation_degrees, config.translation, config.horizontal_flip)
    assert found == tuple(asdict(spec.recommended).values())
    assert config.horizontal_flip == spec.flip_keeps_class
    if not spec.flip_keeps_class:
        seeds = make_plan(dataset=name, augmentation="baseline").trial_config("adam", RATE)
        assert config == seeds


def test_without_a_flip_the_digest_of_a_run_is_what_it_was():
    for name in ("none", "baseline"):
        config = make_plan(augmentation=name).trial_config("adam", RATE)
        assert "horizontal_flip" not in config.to_dict()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": 0}, ["trials must be >= 2", "got 0", "--trials", "--optimizers"]),
        ({"trials": 1}, ["trials must be >= 2", "got 1"]),
        ({"trials": -3}, ["trials must be >= 2", "got -3"]),
        ({"optimizers": ("sgd", "sgd")}, ["different names", "('sgd', 'sgd')"]),
        ({"optimizers": ()}, ["one or more", "()"]),
        ({"optimizers": ("sgd", "sdg")}, ["unknown optimizer 'sdg'", "known:", "adam"]),
        ({"schedule": "linear"}, ["unknown schedule 'linear'", "cosine"]),
        ({"sampler": "cma"}, ["unknown sampler 'cma'", *SAMPLERS]),
        ({"pruner": "asha"}, ["unknown pruner 'asha'", *PRUNERS]),
        ({"augmentation": "flip"}, ["unknown augmentation 'flip'", *AUGMENTATIONS]),
        ({"dataset": "cifar"}, ["unknown dataset 'cifar'", "digits", "mnist"]),
        ({"epochs": -1}, ["epochs must be >= 1", "got -1"]),
        ({"epochs": 0}, ["epochs must be >= 1", "got 0"]),
        ({"batch_size": 0}, ["batch_size must be >= 1", "got 0"]),
        ({"seed": -1}, ["seed must be in", "got -1"]),
        ({"threads": 0}, ["threads must be >= 1", "got 0"]),
        ({"confirm_seeds": 1}, ["confirm_seeds must be >= 2", "interval", "got 1"]),
        ({"pruner": "median", "epochs": 3}, ["--schedule constant", "'one-cycle'", "small"]),
        (
            {"pruner": "hyperband", "epochs": 3, "schedule": "cosine"},
            ["--schedule constant", "'cosine'"],
        ),
        ({"pruner": "median", "schedule": "constant"}, ["epochs >= 2", "got 1"]),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule_and_the_value(changes, words):
    with pytest.raises(UserError) as error:
        make_plan(**changes)
    for word in words:
        assert word in str(error.value)


def test_a_pruner_is_accepted_where_it_compares_like_with_like():
    plan = make_plan(pruner="median", schedule="constant", epochs=2)
    assert plan.is_sequential


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_adaptive_samplers_wait_for_earlier_trials(sampler):
    assert make_plan(sampler=sampler).is_sequential == (sampler in ("tpe", "gp"))


def test_a_plan_survives_json():
    plan = make_plan(sampler="tpe", seed=2**40, epochs=3, pruner="median", schedule="constant")
    assert OptimizerPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_plan_says_what_is_searched_by_itself():
    values = json.loads(json.dumps(make_plan().to_dict()))
    assert values["spaces"]["adam"]["learning_rate"] == {"low": 5e-4, "high": 5e-2, "log": True}
    values["spaces"]["adam"]["learning_rate"]["low"] = 1e-5
    changed = OptimizerPlan.from_dict(values)
    assert changed.spaces["adam"].learning_rate_range == (1e-5, 5e-2)
    assert changed != make_plan()
    assert hash(changed) == hash(make_plan())


def test_a_space_of_an_optimizer_that_is_not_searched_is_refused():
    spaces = {"adamw": registry_space("adamw")}
    with pytest.raises(UserError, match="unknown optimizer of a search space 'adamw'"):
        make_plan(spaces=spaces)


def test_an_unknown_key_of_a_saved_plan_is_refused():
    with pytest.raises(UserError, match=r"unknown plan key 'trails'; known: .*trials"):
        OptimizerPlan.from_dict({**make_plan().to_dict(), "trails": 3})


@pytest.mark.parametrize(
    ("schedules", "text"),
    [
        ({}, "one-cycle"),
        ({"schedule": "cosine"}, "cosine"),
        ({"schedule": {"choices": ["constant", "one-cycle"]}}, "as searched for each"),
    ],
)
def test_the_schedule_is_named_where_all_runs_share_it(schedules, text):
    rate = {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}}
    table = {**rate, **schedules, "default": {"learning_rate": 0.1}}
    spaces = {name: space_from_table(name, table) for name in ("sgd", "adam")}
    assert make_plan(spaces=spaces).schedule_text == text
