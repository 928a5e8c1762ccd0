"""When a trial is stopped early: Optuna's pruners, on the trials before it.

A run is pruned in its worker, which holds no storage: its task brings what the trials before it
reached, and `open_trial` lets the pruner see them again in their order.
"""

from collections.abc import Mapping

import optuna

from study.plans.base import StudyPlan
from study.plans.task import EarlierTrial, Task, trial_key
from study.records.run_record import RunRecord


def pruner_for(plan: StudyPlan) -> optuna.pruners.BasePruner:
    """Return Optuna's pruner, with every option spelled out."""
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=2, n_warmup_steps=0, interval_steps=1, n_min_trials=1
        )
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=plan.epochs, reduction_factor=3, bootstrap_count=0
        )
    return optuna.pruners.NopPruner()


def earlier_trials(
    records: Mapping[str, RunRecord], arm: str, index: int
) -> tuple[EarlierTrial, ...]:
    """Return what the trials of an arm before one reached, in their order."""
    earlier = (records[trial_key(arm, before)] for before in range(index))
    return tuple(
        EarlierTrial(
            accuracies=tuple(epoch.validation_accuracy for epoch in record.epochs),
            is_pruned=record.status == "pruned",
        )
        for record in earlier
    )


def open_trial(task: Task, pruner: optuna.pruners.BasePruner) -> optuna.Trial:
    """Return the trial that a run reports to. Successive halving keeps notes as it is asked: it
    is asked again about every trial before."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Hyperband sorts trials into brackets by the name of their study.
    study = optuna.create_study(study_name=task.arm, direction="maximize", pruner=pruner)
    for earlier in task.earlier:
        trial = study.ask()
        for epoch, accuracy in enumerate(earlier.accuracies, start=1):
            trial.report(accuracy, epoch)
            trial.should_prune()
        if earlier.is_pruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, earlier.accuracies[-1] if earlier.accuracies else 0.0)
    return study.ask()
