"""Optuna's view of a study, for its dashboard: `study.db` in the folder, made from the records.

Nothing reads it back. One Optuna study for each arm; a trial's number is its index in the plan.
"""

from collections.abc import Mapping
from pathlib import Path

import optuna
from sqlalchemy.exc import SQLAlchemyError

from mnist_core.errors import UserError
from study.plans.base import StudyPlan
from study.plans.task import trial_key
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord
from study.search.optuna_trials import finished_trial


def rebuild_view(plan: StudyPlan, folder: RunFolder, records: Mapping[str, RunRecord]) -> None:
    """Write the view anew."""
    database = Path(folder.storage_url.removeprefix("sqlite:///"))
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    write_view(plan, folder, records)


def write_view(plan: StudyPlan, folder: RunFolder, records: Mapping[str, RunRecord]) -> None:
    """Add the trials that the view lacks. A trial waits for those before it, as its number is the
    next one."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(folder.storage_url)
        for arm in plan.arms:
            study = optuna.create_study(
                study_name=arm, storage=storage, direction="maximize", load_if_exists=True
            )
            if not study.user_attrs:
                study.set_user_attr("plan", plan.to_dict())
            for index in range(len(study.get_trials(deepcopy=False)), plan.trials_each):
                record = records.get(trial_key(arm, index))
                if record is None:
                    break
                study.add_trial(finished_trial(plan, record))
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        raise UserError(
            f"cannot write Optuna's storage in {folder.path} "
            f"({str(getattr(cause, 'orig', cause)).splitlines()[0]}). What was finished is on "
            "disk; free space if the disk is full, then continue with --resume"
        ) from error
