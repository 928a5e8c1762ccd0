"""What a study prints on the terminal: what it will do, and each run as it ends."""

import time

from tqdm import tqdm

from mnist_core.data.splits import Dataset
from mnist_core.optim.custom import is_custom
from mnist_core.optim.registry import capture_notes
from mnist_core.runtime.formatting import duration
from study.execution.run_queue import RunQueue
from study.plans.base import StudyPlan
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord
from study.search.confirmation import remaining


def announce(
    plan: StudyPlan, folder: RunFolder, dataset: Dataset, *, workers: int, done: int
) -> None:
    """Print what a study will do before it does it."""
    more = ""
    if len(plan.looks) > 1:
        more = f" (the tuned ones up to {plan.looks[-1]}, while their validation is undecided)"
    trials = f"{plan.trials_each} trial{'s' if plan.trials_each > 1 else ''}"
    print(f"study of {', '.join(plan.arms)} on {dataset.label}")
    what = "the learning rate" if plan.is_learning_rate_alone else "what is listed"
    print(
        f"  search: {trials} each for {what} ({plan.sampler}), "
        f"by accuracy on {len(dataset.validation):,} validation images"
    )
    for name, space in plan.spaces.items():
        reason = f" ({space.reason})" if is_custom(name) and space.reason else ""
        print(f"    {name}: {plan.space_text(name, is_short=plan.is_learning_rate_alone)}{reason}")
    print(
        f"  confirmation: the best of each and each {plan.terms.untuned}, "
        f"{plan.confirm_seeds} fresh seeds{more}, each tested once on {len(dataset.test):,} images"
    )
    print(
        f"  every run: {plan.epochs} epoch(s) of {len(dataset.train):,} images, batch "
        f"{plan.batch_size}, schedule {plan.schedule_text}, augmentation {plan.augmentation}"
    )
    print(
        f"  {plan.rows} runs{', or more' if more else ''}, {done} done, on {workers} worker(s) "
        f"with {plan.threads} thread(s) each; output: {folder.path}"
    )
    trained_by = {plan.default_config(arm).optimizer for arm in plan.arms}
    for note in capture_notes(sorted(trained_by), device=plan.device):
        print(f"  {note}")
    unused = plan.trials - plan.trials_each * len(plan.arms)
    if unused:
        print(f"  {unused} of {plan.trials} trials are not used: budgets are equal")


def run_line(plan: StudyPlan, record: RunRecord, *, number: int, total: int) -> str:
    """Return a line on a run that has ended."""
    if plan.is_learning_rate_alone:
        chosen = f"learning rate {record.config.learning_rate:.3g}"
    else:
        chosen = plan.chosen_text(record.arm, record.parameters)
    if record.is_completed:
        outcome = f"validation {record.validation_accuracy:.2%}"
    else:
        outcome = record.status + (f" ({record.error})" if record.error is not None else "")
    what = record.kind if record.variant is None else f"{record.variant} confirmation"
    run = f"[{number}/{total}] {record.arm} {what} {record.index}"
    return f"{run}: {chosen}, {outcome}, {record.seconds:.1f} s"


class Progress:
    """Shows every run as it ends, with what is left: a bar on a terminal, else a line each."""

    def __init__(self, plan: StudyPlan, queue: RunQueue) -> None:
        self._plan = plan
        self._queue = queue
        self._done_before = len(queue.records)
        self._bar = tqdm(total=plan.rows, initial=self._done_before, unit="run", disable=None)
        self.start()

    def start(self) -> None:
        """Start the clock by which the time that is left is estimated."""
        self._started = time.perf_counter()

    def show(self, record: RunRecord) -> None:
        """Show a run that has ended."""
        done, left_over = len(self._queue.records), remaining(self._plan, self._queue.records)
        line = run_line(self._plan, record, number=done, total=done + left_over)
        if self._bar.disable:
            each = (time.perf_counter() - self._started) / (done - self._done_before)
            print(f"{line}; about {duration(each * left_over)} left", flush=True)
        else:
            self._bar.write(line)
            self._bar.total = done + left_over
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()
