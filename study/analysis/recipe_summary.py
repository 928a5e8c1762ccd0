"""What the report of a recipe's runs says in sentences: the question, the finding, the command."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from mnist_core.config import TrainConfig
from mnist_core.references.pytorch_examples import REFERENCES
from mnist_core.runtime.formatting import percent, percent_interval
from study.plans.recipe import RecipePlan
from study.records.run_record import ReferenceRecord, RunRecord
from study.stats.comparisons import Estimate, mean_estimate

_QUESTIONS = {
    "accuracy": "How accurate can so few parameters be",
    "speed": "How soon is 99 % reached",
}


def title(plan: RecipePlan, label: str) -> str:
    """Return the page's heading."""
    if plan.is_as_chosen and plan.recipe in _QUESTIONS:
        return f"{_QUESTIONS[plan.recipe]}? {label}"
    return f"The recipe {plan.recipe} on fresh seeds: {label}"


def tested(runs: Sequence[RunRecord | ReferenceRecord]) -> list[float]:
    """Return the test accuracies of the runs that have one."""
    return [run.test.accuracy for run in runs if run.test is not None]


def estimate_of(runs: Sequence[RunRecord]) -> Estimate | None:
    """Return the mean test accuracy and its interval; None for fewer than two runs."""
    accuracies = tested(runs)
    return mean_estimate(np.array(accuracies)) if len(accuracies) > 1 else None


def accuracy(estimate: Estimate) -> str:
    """Return a mean accuracy with its interval, of which no part lies outside 0 to 100 %."""
    low, high = max(estimate.low, 0.0), min(estimate.high, 1.0)
    return f"{percent(estimate.mean, digits=3)} ({percent_interval(low, high, digits=3)})"


def times(seconds: Sequence[float]) -> str:
    """Return the median time and the range."""
    if len(seconds) == 1:
        return f"{seconds[0]:.2f} s (one run)"
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def opening(plan: RecipePlan, header: dict[str, object], runs: Sequence[RunRecord]) -> str:
    """Return what was asked, and what was spent on it."""
    data = header["data"]
    assert isinstance(data, dict)
    config = plan.config
    images = data["train"] + (data["validation"] if config.train_on_validation else 0)
    fresh = " that the search for the recipe did not use" if plan.is_as_chosen else " of its own"
    return (
        f"**Asked.** What mean test accuracy does the recipe `{plan.recipe}`{_shortened(plan)} "
        f"reach on {data['label']}, with a network of {config.parameters():,} parameters (the "
        f"seed's has {TrainConfig(dataset=plan.dataset).parameters():,}){_views(plan)}, and how "
        "long does it train?\n\n"
        f"**Budget.** {_epochs(config.epochs)} of {images:,} images a run; {len(runs)} of "
        f"{plan.seeds} runs are done, each of a seed{fresh}, each evaluated once on the "
        f"{data['test']:,} test images. {_validation(plan, images=data['validation'])}"
    )


def _epochs(epochs: int) -> str:
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _shortened(plan: RecipePlan) -> str:
    """Say that a recipe was run for another number of epochs than its own, where it was."""
    named = plan.named
    if named is None or plan.config.epochs == named.epochs:
        return ""
    return f", for {_epochs(plan.config.epochs)} where it has {named.epochs},"


def _validation(plan: RecipePlan, *, images: int) -> str:
    chosen = ""
    if plan.is_as_chosen:
        chosen = (
            "docs/recipes.md tells how the recipe was chosen, on held-out training images; "
            + ("once it was, " if plan.config.train_on_validation else "")
        )
    text = f"the {images:,} validation images are not trained on."
    if plan.config.train_on_validation:
        text = (
            f"the {images:,} validation images are trained on as well: these runs have no "
            "validation accuracy."
        )
    return chosen + text if chosen else text[0].upper() + text[1:]


def _views(plan: RecipePlan) -> str:
    views = plan.config.architecture().views
    if views == 1:
        return ""
    return f", which averages its answers to {views} views of an image, moved by a pixel"


def finding(
    plan: RecipePlan,
    runs: Sequence[RunRecord],
    references: Mapping[str, Sequence[ReferenceRecord]],
) -> str:
    """Return the mean accuracy, held against the target, and the times."""
    estimate = estimate_of(runs)
    if estimate is None:
        return "Fewer than two runs are done: nothing can be said yet."
    target = percent(plan.target_accuracy)
    if estimate.low > plan.target_accuracy:
        verdict = f"above {target} with the whole interval"
    elif estimate.mean >= plan.target_accuracy:
        verdict = f"not below {target}, though the interval reaches below it"
    else:
        verdict = f"below {target}"
    accuracies = tested(runs)
    text = (
        f"**{accuracy(estimate)} mean test accuracy over {estimate.n} seeds**, {verdict} "
        f"(runs from {percent(min(accuracies))} to {percent(max(accuracies))}). Training took "
        f"{times([run.train_seconds for run in runs])} a run"
        f"{_with(plan)}, evaluation and reading the files outside the clock (median and range)."
    )
    for name, outcomes in references.items():
        ratio = statistics.median([outcome.seconds for outcome in outcomes])
        ratio /= statistics.median([run.train_seconds for run in runs])
        text += f" {REFERENCES[name].label} took {ratio:.1f} times as long in the same session."
    missed = [run for run in runs if run.test is None]
    if missed:
        text += f" {len(missed)} run(s) diverged and have no accuracy."
    return text


def _with(plan: RecipePlan) -> str:
    threads = "one thread" if plan.threads == 1 else f"{plan.threads} threads"
    return f" on {threads}" + (
        f", {plan.workers} runs at the same time" if plan.workers > 1 else ""
    )


def make_again(plan: RecipePlan) -> str:
    """Return the command that trains these runs again, and what it says no longer."""
    block = f"```bash\n{_command(plan)}\n```"
    if plan.named is None:
        return (
            f"There is no recipe `{plan.recipe}` any more: `python -m study.replay` with this "
            "folder and `--all` trains these runs again, from their records."
        )
    departures = plan.departures()
    if not departures:
        return block
    return (
        f"The recipe `{plan.recipe}` is another one now: {'; '.join(departures)}. `python -m "
        "study.replay` with this folder and `--all` trains these runs again, from their records. "
        f"Today's recipe on the same terms:\n\n{block}"
    )


def _command(plan: RecipePlan) -> str:
    words = [
        f"python -m study.recipe {plan.recipe} --seeds {plan.seeds}",
        f"--epochs {plan.config.epochs} --target-accuracy {plan.target_accuracy:g}",
        f"--dataset {plan.dataset} --device {plan.device}",
        f"--threads {plan.threads} --workers {plan.workers}",
    ]
    if plan.seed:
        words.append(f"--seed {plan.seed}")
    if plan.compare_with:
        words.append(f"--compare-with {','.join(plan.compare_with)}")
    return " ".join(words)


def headline(plan: RecipePlan, label: str, runs: Sequence[RunRecord]) -> str:
    """Return the finding in one line."""
    estimate = estimate_of(runs)
    if estimate is None:
        return f"{label}, {plan.recipe}: {len(runs)} of {plan.seeds} runs are done"
    seconds = statistics.median([run.train_seconds for run in runs])
    return (
        f"{label}, {plan.recipe}: {accuracy(estimate)} over {estimate.n} seeds, "
        f"{plan.config.parameters():,} parameters, {seconds:.3g} s of training"
    )
