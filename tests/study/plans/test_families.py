"""study.plans.families: every proposal fits the limits, and spends what it may."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.study_samples import make_architecture_plan, run_task

from mnist_core.models.registry import NETWORKS
from study.plans import families
from study.plans.families import FAMILIES, WIDTHS, Limits
from study.records.run_record import RunRecord
from study.search.samplers import designed_parameters

SEARCHED = tuple(name for name in FAMILIES if name != "baseline")
BASELINE_FLOPS = NETWORKS["baseline"].architecture.forward_flops()


def architectures(plan, arm):
    return [
        plan.trial_config(arm, parameters).architecture()
        for parameters in designed_parameters(plan, arm)
    ]


@settings(max_examples=25, deadline=None)
@given(
    sampler=st.sampled_from(("qmc", "random")),
    seed=st.integers(0, 2**32),
    max_parameters=st.integers(3_500, 60_000),
    max_flops=st.just(0) | st.integers(1_500_000, 8_000_000),
    trials_each=st.integers(1, 9),
)
def test_every_proposal_is_within_the_limits_and_budgets_are_equal(
    sampler, seed, max_parameters, max_flops, trials_each
):
    plan = make_architecture_plan(
        families=SEARCHED,
        trials=trials_each * len(SEARCHED),
        sampler=sampler,
        seed=seed,
        max_parameters=max_parameters,
        max_flops=max_flops,
    )
    for arm in plan.arms:
        proposed = architectures(plan, arm)
        assert len(proposed) == trials_each
        for one in proposed:
            assert one.parameters() <= max_parameters
            assert not max_flops or one.forward_flops() <= max_flops


@settings(max_examples=40, deadline=None)
@given(
    arm=st.sampled_from(SEARCHED),
    point=st.lists(st.floats(0, 1, exclude_max=True), min_size=7, max_size=7),
    max_parameters=st.integers(3_500, 100_000),
)
def test_the_width_is_the_largest_within_its_share(arm, point, max_parameters):
    plan = make_architecture_plan(families=(arm,), max_parameters=max_parameters)
    space = plan.spaces[arm]
    names = [entry.name for entry in space.dimensions]
    parameters = plan.parameters_at(arm, point[: len(names)])
    if parameters is None:
        return  # not even the narrowest of this depth, pooling and head fits
    share = 0.5 + 0.5 * point[names.index("width")]
    width = parameters["width"]

    def cost(width):
        return families.architecture_of(space, {**parameters, "width": width}).parameters()

    assert cost(width) <= share * max_parameters or width == WIDTHS[0]
    assert width == WIDTHS[1] or cost(width + 1) > share * max_parameters


def test_combinations_that_fit_at_no_width_are_passed_over():
    plan = make_architecture_plan(families=("deep",), max_parameters=2_500, trials=12)
    depths = {len([*one.convolutions((1, 28, 28))]) for one in architectures(plan, "deep")}
    assert depths == {6}
    with_room = make_architecture_plan(families=("deep",), trials=12)
    assert {len([*a.convolutions((1, 28, 28))]) for a in architectures(with_room, "deep")} == {
        *range(6, 10)
    }


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_a_proposal_depends_on_seed_family_and_index_alone(sampler):
    few = make_architecture_plan(families=SEARCHED, trials=9, sampler=sampler)
    many = make_architecture_plan(families=("deep", "dropout"), trials=40, sampler=sampler)
    for arm in many.arms:
        assert designed_parameters(few, arm) == designed_parameters(many, arm)[:3]
    other = make_architecture_plan(families=SEARCHED, trials=9, sampler=sampler, seed=1)
    assert designed_parameters(few, "deep") != designed_parameters(other, "deep")


@pytest.mark.parametrize("arm", FAMILIES)
def test_parameters_are_read_back_from_a_trials_record(arm):
    plan = make_architecture_plan(families=(arm,), trials=8)
    for parameters in designed_parameters(plan, arm):
        record = run_task(plan.trial_task(arm, 0, parameters))
        written = json.loads(json.dumps(record.to_dict()))
        assert RunRecord.from_dict(written, key=record.key).parameters == parameters


def test_the_limit_does_not_change_the_odds_of_what_costs_more():
    plan = make_architecture_plan(families=("batch-norm",), trials=96, max_parameters=6_000)
    found = designed_parameters(plan, "batch-norm")
    for name, values in (("depth", 3), ("pooling", 3), ("head", 2), ("activation", 4)):
        counts = Counter(parameters[name] for parameters in found)
        assert len(counts) == values
        assert max(counts.values()) - min(counts.values()) <= 4, (name, counts)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (3, (5, "pool", 10, "pool", 10, "pool")),
        (4, (5, 5, "pool", 10, "pool", 10, "pool")),
        (5, (5, 5, "pool", 10, 10, "pool", 10, "pool")),
        (8, (5, 5, 5, "pool", 10, 10, 10, "pool", 10, 10, "pool")),
    ],
)
def test_convolutions_are_dealt_out_evenly_the_first_stages_first(depth, expected):
    options = families.network_options({"width": 5, "depth": depth, "padding": True})
    assert options == {"layers": expected, "padding": True}


def test_families_differ_in_what_they_are_named_for():
    plan = make_architecture_plan(families=FAMILIES, trials=32)
    found = {arm: architectures(plan, arm) for arm in FAMILIES}
    depths = {
        arm: {len([*one.convolutions((1, 28, 28))]) for one in each} for arm, each in found.items()
    }
    assert set(found["baseline"]) == {NETWORKS["baseline"].architecture}
    assert all(one.normalisation == "none" and one.dropout > 0 for one in found["dropout"])
    assert all(one.normalisation == "batch" and one.dropout == 0 for one in found["batch-norm"])
    assert {one.normalisation for one in found["deep"]} == {"batch"}
    assert len({one.dropout for one in found["deep"]}) == 3
    assert max(depths["dropout"] | depths["batch-norm"]) < 6 <= min(depths["deep"])


def test_the_smallest_of_a_family_are_as_small_as_anything_that_it_may_propose():
    for arm in SEARCHED:
        plan = make_architecture_plan(families=(arm,), max_parameters=10**6)
        space = plan.spaces[arm]
        least = min(one.parameters() for one in families.smallest(space))
        ends = [entry.corners() for entry in space.dimensions]
        names = [entry.name for entry in space.dimensions]
        corners = (dict(zip(names, values, strict=True)) for values in itertools.product(*ends))
        assert least == min(families.architecture_of(space, one).parameters() for one in corners)


def test_a_limit_holds_both_of_its_costs():
    seed = NETWORKS["baseline"].architecture
    assert Limits(parameters=23_354).hold(seed)
    assert not Limits(parameters=23_353).hold(seed)
    assert Limits(parameters=23_354, forward_flops=BASELINE_FLOPS).hold(seed)
    assert not Limits(parameters=23_354, forward_flops=BASELINE_FLOPS - 1).hold(seed)
    assert not Limits(parameters=23_354).hold(seed, share=0.99)
