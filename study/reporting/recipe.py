"""The report of a recipe's runs, built from their records alone."""

import statistics
from collections.abc import Sequence

from mnist_core.config import TrainConfig
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.results_index import add_run
from study.analysis.recipe_summary import accuracies_of, estimate_of, misclassified_counts
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.records.run_record import ReferenceRecord, RunRecord
from study.reporting.page import accuracy, render

_QUESTIONS = {
    "accuracy": "How accurate can so few parameters be",
    "speed": "How soon is 99 % reached",
}


def write_report(folder: RunFolder) -> str:
    """Write report.md and the index line of a run folder; return the finding in one line."""
    header = folder.read_header()
    plan: RecipePlan = header["plan"]
    runs = [record for _, _, record in folder.numbered_rows()]
    references: dict[str, list[ReferenceRecord]] = {}
    for record in folder.read_references().values():
        references.setdefault(record.name, []).append(record)
    config, data = plan.config, header["data"]
    text = render(
        "recipe.md.j2",
        header=header,
        plan=plan,
        config=config,
        data=data,
        runs=runs,
        questions=_QUESTIONS,
        baseline_parameters=TrainConfig(dataset=plan.dataset).parameters(),
        views=config.architecture().views,
        train_images=data["train"] + (data["validation"] if config.train_on_validation else 0),
        misclassified=misclassified_counts(runs),
        references=references,
        labels={name: REFERENCES[name].label for name in references},
        estimate_of=estimate_of,
        accuracies_of=accuracies_of,
        environments=folder.read_environments(),
        command=command(plan),
    )
    write_atomically(folder.path / "report.md", text)
    finding = headline(plan, data["label"], runs)
    add_run(
        folder.path,
        dataset=plan.dataset,
        section="recipes",
        title="Recipes on fresh seeds",
        header=("started", "recipe", "finding"),
        cells=(header["started"], plan.recipe, finding),
    )
    return finding


def headline(plan: RecipePlan, label: str, runs: Sequence[RunRecord]) -> str:
    """Return the finding in one line."""
    estimate = estimate_of(runs)
    if estimate is None:
        return f"{label}, {plan.recipe}: {len(runs)} of {plan.seeds} runs are done"
    seconds = statistics.median([run.train_seconds for run in runs])
    return (
        f"{label}, {plan.recipe}: {accuracy(estimate, digits=3)} over {estimate.n} seeds, "
        f"{plan.config.parameters():,} parameters, {seconds:.3g} s of training"
    )


def command(plan: RecipePlan) -> str:
    """Return the command that trains these runs again, with every option spelled out."""
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
