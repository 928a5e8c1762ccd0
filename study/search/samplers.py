"""How a trial is proposed: by a design over the whole search, or by one of Optuna's samplers.

A proposal is a function of the plan and of the records of the arm's trials before it. A study
that is resumed, or shared, so proposes what an undisturbed one does.
"""

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import optuna

from mnist_core.config import Option
from mnist_core.runtime.randomness import derive_seed
from study.plans.base import StudyPlan
from study.plans.choices import INDEPENDENT_SAMPLERS
from study.plans.task import trial_key
from study.records.run_record import RunRecord
from study.search.optuna_trials import distributions, finished_trial, from_optuna
from study.search.pruning import pruner_for


def propose(
    plan: StudyPlan, arm: str, index: int, records: Mapping[str, RunRecord]
) -> dict[str, Option]:
    """Return the parameters of one trial, as a function of nothing but the plan and the records
    of the trials before it, which an adaptive sampler needs all of."""
    if plan.sampler in INDEPENDENT_SAMPLERS:
        return designed_parameters(plan, arm)[index]
    # Its warnings are about speed and versions: none that a user of a study could act on.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=arm,
        direction="maximize",
        sampler=sampler_for(plan, arm, index=index),
        pruner=pruner_for(plan),
    )
    earlier = (records[trial_key(arm, before)] for before in range(index))
    study.add_trials([finished_trial(plan, record) for record in earlier])
    return from_optuna(plan, arm, study.ask(distributions(plan, arm)).params)


@cache
def designed_parameters(plan: StudyPlan, arm: str) -> tuple[dict[str, Option], ...]:
    """Return the parameters of all trials of an independent sampler, in their order: those of
    its sequence's first points that the plan allows, so that a longer sequence begins alike."""
    from scipy.stats import qmc

    seed = derive_seed(plan.seed, "design", plan.sampler, plan.seed_name(arm)) % 2**31
    d, count = len(plan.spaces[arm].dimensions), plan.trials_each
    for exponent in itertools.count((count - 1).bit_length()):
        if plan.sampler == "lhs":
            units = qmc.LatinHypercube(d=d, scramble=False, strength=1, rng=seed).random(count)
        elif plan.sampler == "qmc":
            units = qmc.Sobol(d=d, scramble=True, rng=seed).random_base2(exponent)
        else:
            units = np.random.default_rng(seed).random((2**exponent, d))
        placed = (plan.parameters_at(arm, point.tolist()) for point in units)
        allowed = [parameters for parameters in placed if parameters is not None]
        if len(allowed) >= count:
            return tuple(allowed[:count])
    raise AssertionError("a plan allows some of its points")


def sampler_for(plan: StudyPlan, arm: str, *, index: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's sampler for one proposal, with every option spelled out.

    It is seeded anew for each trial: a resumed study then proposes what an undisturbed one would.
    """
    seed = derive_seed(plan.seed, "sampler", arm, index) % 2**31
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(**_adaptive_options(plan), seed=seed)
    if plan.sampler == "gp":
        return optuna.samplers.GPSampler(
            **_adaptive_options(plan),
            independent_sampler=optuna.samplers.RandomSampler(seed=seed),
            seed=seed,
        )
    return optuna.samplers.RandomSampler(seed=seed)


def _adaptive_options(plan: StudyPlan) -> dict[str, Any]:
    """Return every option of an adaptive sampler that Optuna has not deprecated, but for those
    that are seeded."""
    startup = {"n_startup_trials": max(2, plan.trials_each // 3)}
    if plan.sampler == "tpe":
        liar = {"constant_liar": False}
        return {**startup, "n_ei_candidates": 24, "multivariate": False, "group": False, **liar}
    return {**startup, "deterministic_objective": False, "warn_independent_sampling": True}


def sampler_options(plan: StudyPlan) -> str:
    """Describe the sampler for the report."""
    counts = {len(space.dimensions) for space in plan.spaces.values()}
    d = " or ".join(map(str, sorted(counts)))
    if plan.sampler == "lhs":
        return f"scipy.stats.qmc.LatinHypercube(d={d}, scramble=False, strength=1)"
    if plan.sampler == "qmc":
        one = f"one sequence per {plan.terms.singular}"
        return f"scipy.stats.qmc.Sobol(d={d}, scramble=True), {one}"
    if plan.sampler == "random":
        draws = "log-uniform draws" if plan.is_learning_rate_alone else "independent draws"
        return f"{draws}, one generator per ({plan.terms.singular}, trial)"
    name = type(sampler_for(plan, plan.arms[0], index=0)).__name__
    options = [f"{name}={value}" for name, value in _adaptive_options(plan).items()]
    if plan.sampler == "gp":
        options.append("independent_sampler=RandomSampler")
    return f"optuna {name}({', '.join(options)}), seeded anew per trial"
