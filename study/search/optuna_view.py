"""The search: one Optuna study per arm, so that budgets are equal and no sampler or pruner
can favour one arm over another.

Optuna's storage is rebuilt from the records at every start, so that a kill leaves nothing
half-told. The proposal of (seed, arm, index) depends on these three, and for adaptive
samplers on the arm's earlier trials, and on nothing else: not on workers, not on a resume.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from mnist_core.errors import UserError
from mnist_core.runtime.randomness import derive_seed
from study.plans.base import INDEPENDENT_SAMPLERS, StudyPlan
from study.plans.task import trial_key
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord

# What Optuna is told of a diverged run: it read nothing.
DIVERGED_VALUE = 0.0


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


def designed_parameters(plan: StudyPlan, arm: str) -> list[dict[str, Any]]:
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
            return allowed[:count]
    raise AssertionError("a plan allows some of its points")


def distributions(plan: StudyPlan, arm: str) -> dict[str, BaseDistribution]:
    """Return the distribution of each searched parameter, choices as the texts of their JSON:
    Optuna takes no lists."""
    found: dict[str, BaseDistribution] = {}
    for entry in plan.spaces[arm].dimensions:
        if entry.choices:
            found[entry.name] = CategoricalDistribution([json.dumps(c) for c in entry.choices])
        elif entry.integer:
            found[entry.name] = IntDistribution(int(entry.low), int(entry.high), log=entry.log)
        else:
            found[entry.name] = FloatDistribution(entry.low, entry.high, log=entry.log)
    return found


def to_optuna(plan: StudyPlan, arm: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters as Optuna holds them."""
    return {
        entry.name: json.dumps(parameters[entry.name]) if entry.choices else parameters[entry.name]
        for entry in plan.spaces[arm].dimensions
    }


def from_optuna(plan: StudyPlan, arm: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters from what Optuna holds."""
    return {
        entry.name: next(c for c in entry.choices if json.dumps(c) == held[entry.name])
        if entry.choices
        else held[entry.name]
        for entry in plan.spaces[arm].dimensions
    }


def propose(
    plan: StudyPlan, arm: str, index: int, records: Mapping[str, RunRecord]
) -> dict[str, Any]:
    """Return the parameters of one trial, as a function of nothing but the plan and the records
    of the trials before it, which an adaptive sampler needs all of."""
    if plan.sampler in INDEPENDENT_SAMPLERS:
        return designed_parameters(plan, arm)[index]
    study = optuna.create_study(direction="maximize", sampler=sampler_for(plan, arm, index=index))
    study.add_trials(earlier_trials(plan, arm, index, records))
    return from_optuna(plan, arm, study.ask(distributions(plan, arm)).params)


def earlier_trials(
    plan: StudyPlan, arm: str, index: int, records: Mapping[str, RunRecord]
) -> list[FrozenTrial]:
    """Return Optuna's view of an arm's trials before one."""
    keys = (trial_key(arm, earlier) for earlier in range(index))
    return [finished_trial(plan, arm, records[key]) for key in keys]


@contextlib.contextmanager
def storage_errors(folder: RunFolder) -> Iterator[None]:
    """Turn what Optuna's storage raises where it cannot be written into a `UserError`."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        raise UserError(
            f"cannot write Optuna's storage in {folder.path} "
            f"({str(getattr(cause, 'orig', cause)).splitlines()[0]}). What was finished is on "
            "disk; free space if the disk is full, then continue with --resume"
        ) from error


class Search:
    """Optuna's studies of one plan."""

    def __init__(self, plan: StudyPlan, folder: RunFolder, records: dict[str, RunRecord]) -> None:
        # Its warnings are about speed and versions: none that a user of a study could act on.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._plan = plan
        self._folder = folder
        database = Path(folder.storage_url.removeprefix("sqlite:///"))
        for file in database.parent.glob(f"{database.name}*"):
            file.unlink()
        self._storage = optuna.storages.RDBStorage(folder.storage_url)
        self._studies = {name: self._create(name, records) for name in plan.arms}
        self._running: dict[str, optuna.Trial] = {}

    def _create(self, arm: str, records: dict[str, RunRecord]) -> optuna.Study:
        """Create a study whose trial numbers are the plan's indices: finished ones first as they
        ended, then the designed ones waiting. What an adaptive sampler saw must be a prefix."""
        plan = self._plan
        study = optuna.create_study(
            study_name=arm,
            storage=self._storage,
            direction="maximize",
            sampler=sampler_for(plan, arm, index=0),
        )
        study.set_user_attr("plan", plan.to_dict())
        designed = plan.sampler in INDEPENDENT_SAMPLERS
        design = designed_parameters(plan, arm) if designed else []
        prefix = True
        for index in range(plan.trials_each):
            record = records.get(trial_key(arm, index))
            prefix = prefix and record is not None
            if record is not None and (prefix or not plan.is_sequential):
                study.add_trial(finished_trial(plan, arm, record))
            elif designed:
                study.enqueue_trial(to_optuna(plan, arm, design[index]))
        return study

    def ask(self, arm: str) -> tuple[int, dict[str, Any]]:
        """Return the index and the parameters of the arm's next trial."""
        study = self._studies[arm]
        trials = study.get_trials(deepcopy=False)
        waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
        study.sampler = sampler_for(self._plan, arm, index=min(waiting, default=len(trials)))
        trial = study.ask(distributions(self._plan, arm))
        self._running[trial_key(arm, trial.number)] = trial
        return trial.number, from_optuna(self._plan, arm, trial.params)

    def tell(self, record: RunRecord) -> None:
        """Tell Optuna how a trial ended."""
        trial = self._running.pop(record.key)
        study = self._studies[record.arm]
        for epoch in record.epochs:
            trial.report(epoch.validation_accuracy, epoch.epoch)
        for name, value in _attributes(record).items():
            trial.set_user_attr(name, value)
        if record.status == "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, told_value(record))


def told_value(record: RunRecord) -> float:
    """Return what Optuna is told of a run that was not stopped."""
    accuracy = record.validation_accuracy
    return DIVERGED_VALUE if accuracy is None else float(accuracy)


def _attributes(record: RunRecord) -> dict[str, Any]:
    return {"status": record.status, "weights_sha256": record.weights_sha256}


def finished_trial(plan: StudyPlan, arm: str, record: RunRecord) -> FrozenTrial:
    """Build Optuna's view of a record."""
    pruned = record.status == "pruned"
    return create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        value=None if pruned else told_value(record),
        params=to_optuna(plan, arm, record.parameters),
        distributions=distributions(plan, arm),
        user_attrs=_attributes(record),
        intermediate_values={epoch.epoch: epoch.validation_accuracy for epoch in record.epochs},
    )
