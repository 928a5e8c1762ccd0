"""study.search.samplers: one suite that every sampler passes: the same trials for the same
seed, always."""

from __future__ import annotations

import functools
import inspect
import json
import math
import warnings
from collections import Counter

import optuna
import pytest
from support import study_samples
from support.study_samples import (
    accuracy_at,
    make_plan,
    proposals,
    rates,
    run_task,
    search_records,
)

from mnist_core.optim.registry import optimizer_spec
from study.plans.choices import INDEPENDENT_SAMPLERS, SAMPLERS
from study.plans.space import space_from_table
from study.records.run_record import RunRecord
from study.search.pruning import pruner_for
from study.search.samplers import designed_parameters, propose, sampler_for, sampler_options

SLOW_GP = pytest.param("gp", marks=pytest.mark.slow)
ALL = [SLOW_GP if name == "gp" else name for name in SAMPLERS]
TRIALS_EACH = 5


def plan_for(sampler, **changes):
    return make_plan(sampler=sampler, trials=2 * TRIALS_EACH, **changes)


# Optuna warns of these wherever they are named.
DEPRECATED = {
    "TPESampler": {
        *("consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints"),
        *("gamma", "weights", "warn_independent_sampling", "constraints_func"),
    },
    "GPSampler": {"constraints_func"},
}


@pytest.mark.parametrize(
    ("sampler", "name"), [("tpe", "TPESampler"), ("gp", "GPSampler"), ("random", "RandomSampler")]
)
def test_every_option_of_a_sampler_that_is_not_deprecated_is_spelled_out(
    sampler, name, monkeypatch
):
    plan = plan_for(sampler)
    known = set(inspect.signature(getattr(optuna.samplers, name)).parameters)
    card = sampler_options(plan)
    given = {}
    monkeypatch.setattr(optuna.samplers, name, lambda **options: given.update(options))
    sampler_for(plan, "adam", index=0)
    assert set(given) == known - DEPRECATED.get(name, set())
    if sampler != "random":
        assert [option for option in given if option != "seed" and f"{option}=" not in card] == []


@pytest.mark.parametrize(
    ("pruner", "name"), [("median", "MedianPruner"), ("hyperband", "HyperbandPruner")]
)
def test_every_option_of_a_pruner_is_spelled_out(pruner, name, monkeypatch):
    plan = plan_for("random", pruner=pruner, schedule="constant", epochs=3)
    known = set(inspect.signature(getattr(optuna.pruners, name)).parameters)
    given = {}
    monkeypatch.setattr(optuna.pruners, name, lambda **options: given.update(options))
    pruner_for(plan)
    assert set(given) == known


@pytest.fixture(scope="module")
def undisturbed():
    """Return what a sampler proposes for seed 0 when nothing disturbs it."""

    @functools.cache
    def of(sampler):
        return proposals(plan_for(sampler))

    return of


@pytest.fixture(params=ALL)
def sampler(request):
    return request.param


def test_budgets_are_equal_and_all_proposals_differ(sampler, undisturbed):
    for values in undisturbed(sampler).values():
        assert len(set(values)) == TRIALS_EACH


def test_proposals_lie_in_the_printed_range(sampler, undisturbed):
    for optimizer, values in undisturbed(sampler).items():
        low, high = optimizer_spec(optimizer).learning_rate_range
        assert all(low <= value <= high for value in values)


def test_the_same_seed_proposes_the_same(sampler, undisturbed):
    assert proposals(plan_for(sampler)) == undisturbed(sampler)


def test_another_seed_proposes_other_trials(sampler, undisturbed):
    other = proposals(plan_for(sampler, seed=1))
    for optimizer, values in undisturbed(sampler).items():
        assert other[optimizer] != values
        if sampler == "lhs":  # always the middles of the same strata, in another order
            assert sorted(other[optimizer]) == pytest.approx(sorted(values))


@pytest.mark.slow
@pytest.mark.parametrize(
    "samplers",
    [[name for name in SAMPLERS if name != "gp"], ["gp"]],
    ids=" ".join,
)
def test_another_process_proposes_the_same(samplers, undisturbed, run_python, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    script = (
        "import json, runpy, sys\n"
        "samples = runpy.run_path(sys.argv[1])\n"
        "plans = {n: samples['make_plan'](sampler=n, trials=int(sys.argv[2]))"
        " for n in sys.argv[3:]}\n"
        "print(json.dumps({n: samples['proposals'](plan)"
        " for n, plan in plans.items()}))\n"
    )
    result = run_python("-c", script, study_samples.__file__, 2 * TRIALS_EACH, *samplers)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {name: undisturbed(name) for name in samplers}


@pytest.mark.parametrize("finished", [1, TRIALS_EACH - 1])
def test_a_resumed_search_proposes_what_an_undisturbed_one_does(sampler, finished, undisturbed):
    plan = plan_for(sampler)
    known = [
        run_task(plan.trial_task(name, index, {"learning_rate": values[index]}))
        for name, values in undisturbed(sampler).items()
        for index in range(finished if name == "sgd" else TRIALS_EACH)
    ]
    assert rates(plan, search_records(plan, known)) == undisturbed(sampler)


@pytest.mark.parametrize("sampler", INDEPENDENT_SAMPLERS)
def test_records_behind_a_gap_are_kept_and_the_gap_filled(sampler, undisturbed):
    plan = plan_for(sampler)
    known = [
        run_task(plan.trial_task(name, index, {"learning_rate": values[index]}))
        for name, values in undisturbed(sampler).items()
        for index in range(TRIALS_EACH)
        if index not in (0, 3)
    ]
    records = search_records(plan, known)
    assert rates(plan, records) == undisturbed(sampler)
    assert all(records[record.key] is record for record in known)


@pytest.mark.parametrize("trials_each", [1, 2, 5, 8])
def test_a_latin_hypercube_has_one_trial_in_each_part_of_the_logarithmic_range(trials_each):
    plan = make_plan(sampler="lhs", trials=2 * trials_each)
    for optimizer, values in proposals(plan).items():
        low, high = optimizer_spec(optimizer).learning_rate_range
        places = [math.log(value / low) / math.log(high / low) for value in values]
        assert sorted(int(place * trials_each) for place in places) == list(range(trials_each))


def test_optimizers_with_one_range_are_not_searched_in_one_order():
    plan = make_plan(optimizers=("adam", "adamw"), trials=16)
    found = proposals(plan)
    assert found["adam"] != found["adamw"]


@pytest.mark.parametrize("sampler", ["tpe", SLOW_GP])
def test_adaptive_samplers_learn_from_the_optimizers_own_trials_alone(sampler, undisturbed):
    def objective(optimizer, rate):
        accuracy = accuracy_at(optimizer, rate)
        return 1 - accuracy if optimizer == "adam" else accuracy

    changed = proposals(plan_for(sampler), objective=objective)
    assert changed["sgd"] == undisturbed(sampler)["sgd"]
    assert changed["adam"] != undisturbed(sampler)["adam"]


def test_optuna_says_nothing(sampler, capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search_records(plan_for(sampler))
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")


TODAY = {
    "lhs": [
        *(0.0008891397050194614, 0.008891397050194615),
        *(0.0028117066259517455, 0.028117066259517456),
    ],
    "qmc": [
        *(0.0005016182585154878, 0.018682493634698802),
        *(0.010659200205273065, 0.0029943965247048445),
    ],
    "random": [
        *(0.004993483863751385, 0.00514594266714025),
        *(0.016468670172232268, 0.0012113157461164687),
    ],
}


@pytest.mark.parametrize("sampler", INDEPENDENT_SAMPLERS)
def test_the_learning_rate_alone_is_searched_where_published_studies_searched_it(sampler):
    design = designed_parameters(make_plan(sampler=sampler), "adam")
    assert design == tuple({"learning_rate": rate} for rate in TODAY[sampler])


EVERY_KIND = {
    "label": "Adam",
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "eps": {"low": 1e-9, "high": 1e-6},
    "betas": {"choices": [[0.9, 0.99], [0.95, 0.98], [0.8, 0.9]]},
    "batch_size": {"low": 8, "high": 64, "integer": True},
    "schedule": {"choices": ["constant", "cosine"]},
    "amsgrad": {"choices": [True, False]},
    "default": {"learning_rate": 1e-3, "eps": 1e-8, "betas": [0.9, 0.999], "amsgrad": False},
}


def several(sampler, **changes):
    """Plan a search over parameters of every kind for Adam, and the learning rate of SGD."""
    spaces = {"adam": space_from_table("adam", EVERY_KIND)}
    return make_plan(sampler=sampler, trials=12, spaces=spaces, **changes)


def adams_records(plan, known=()):
    """Drive Adam's search to its end from known records; return its records in their order."""
    records = {record.key: record for record in known}
    for index in range(len(records), plan.trials_each):
        parameters = propose(plan, "adam", index, records)
        task = plan.trial_task("adam", index, parameters)
        accuracy = 0.5 + 40 * parameters["learning_rate"]
        records[task.key] = run_task(task, accuracy=accuracy)
    return list(records.values())


def test_parameters_of_every_kind_are_proposed_again_and_after_a_resume(sampler):
    plan = several(sampler)
    records = adams_records(plan)
    found = [record.parameters for record in records]
    for parameters in found:
        assert list(parameters) == [
            name for name in EVERY_KIND if name not in ("label", "default")
        ]
        assert 1e-4 <= parameters["learning_rate"] <= 1e-2
        assert 1e-9 <= parameters["eps"] <= 1e-6
        assert parameters["betas"] in [(0.9, 0.99), (0.95, 0.98), (0.8, 0.9)]
        assert type(parameters["batch_size"]) is int
        assert 8 <= parameters["batch_size"] <= 64
        assert parameters["schedule"] in ("constant", "cosine")
        assert type(parameters["amsgrad"]) is bool
    assert len({json.dumps(parameters) for parameters in found}) == plan.trials_each
    kept = [
        RunRecord.from_dict(json.loads(json.dumps(record.to_dict())), key=record.key)
        for record in records[:3]
    ]
    assert adams_records(plan, kept) == records


def test_a_latin_hypercube_spreads_every_parameter_evenly():
    found = [record.parameters for record in adams_records(several("lhs"))]
    assert Counter(parameters["betas"] for parameters in found) == {
        (0.9, 0.99): 2,
        (0.95, 0.98): 2,
        (0.8, 0.9): 2,
    }
    assert sum(parameters["amsgrad"] for parameters in found) == 3
    sizes = sorted(parameters["batch_size"] for parameters in found)
    assert [(size - 8) * 6 // 57 for size in sizes] == list(range(6))
