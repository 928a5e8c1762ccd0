"""The report of a recipe's runs, built from their records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mnist_core.references.pytorch_examples import REFERENCES
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.formatting import markdown_table, percent
from mnist_core.runtime.results_index import RESULTS, add_line
from study.analysis import recipe_summary as wording
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.records.run_record import ReferenceRecord, RunRecord
from study.stats.comparisons import mean_estimate


def write_report(folder: RunFolder) -> str:
    """Write report.md and the index line of a run folder; return the finding in one line."""
    header = folder.read_header()
    plan: RecipePlan = header["plan"]
    runs = [record for _, _, record in folder.numbered_rows()]
    references: dict[str, list[ReferenceRecord]] = {}
    for record in folder.read_references().values():
        references.setdefault(record.name, []).append(record)
    sections = [
        f"# {wording.title(plan, header['data']['label'])}",
        wording.opening(plan, header, runs),
        f"**Finding.** {wording.finding(plan, runs, references)}",
        "## Runs",
        _runs(runs),
        *(["## Beside it", _beside(runs, references)] if references else []),
        "## The recipe",
        _recipe(plan),
        "## Provenance",
        _provenance(folder, header, runs),
        "## Make it again",
        wording.make_again(plan),
        f"The raw records are in `records/`. `{next(iter(plan.run_configs()))}.safetensors` is "
        "the first run's network, which `python -m mnist_core evaluate` and `export` take; "
        "`python -m study.report` with this folder builds this page again, and "
        "`python -m study.replay` with it and `--confirmation` and a number trains a run again.",
    ]
    write_atomically(folder.path / "report.md", "\n\n".join(sections) + "\n")
    headline = wording.headline(plan, header["data"]["label"], runs)
    _add_to_index(folder, plan, header, headline)
    return headline


def _runs(runs: Sequence[RunRecord]) -> str:
    rows = [
        (
            number,
            run.config.seed,
            _validation(run),
            f"{run.test.correct:,} of {run.test.count:,}" if run.test is not None else "–",
            percent(run.test.accuracy) if run.test is not None else "–",
            f"{run.train_seconds:.2f} s",
            run.status,
            f"`{run.weights_sha256[:12]}`" if run.weights_sha256 else "–",
        )
        for number, run in enumerate(runs, start=1)
    ]
    header = (
        "number",
        "seed",
        "validation",
        "test images read",
        "test",
        "training",
        "status",
        "weights (SHA-256)",
    )
    table = markdown_table(rows, header=header, numeric=header[:6])
    misclassified = [set(run.test.misclassified) for run in runs if run.test is not None]
    if len(misclassified) < 2:
        return table
    always, ever = set.intersection(*misclassified), set.union(*misclassified)
    return (
        f"{table}\n\n{len(always)} test images are misclassified by every run, {len(ever)} by at "
        "least one. The interval is Student's t over the seeds: it speaks of other seeds on "
        "these test images."
    )


def _validation(run: RunRecord) -> str:
    """Return the accuracy on images that the run has not trained on, where there is one."""
    accuracy = run.validation_accuracy
    return percent(accuracy) if accuracy and not run.config.train_on_validation else "–"


def _beside(runs: Sequence[RunRecord], references: Mapping[str, Sequence[ReferenceRecord]]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            "this recipe",
            runs[0].config.epochs,
            len(runs),
            wording.times([run.train_seconds for run in runs]),
            _mean(wording.tested(runs)),
        )
    ]
    for name, outcomes in references.items():
        rows.append(
            (
                f"{REFERENCES[name].label} ({outcomes[0].parameters:,} parameters)",
                outcomes[0].epochs,
                len(outcomes),
                wording.times([outcome.seconds for outcome in outcomes]),
                _mean(wording.tested(outcomes)),
            )
        )
    header = ("recipe", "epochs", "n", "training (median, range)", "mean test accuracy")
    table = markdown_table(rows, header=header, numeric=header[1:])
    return (
        f"{table}\n\nTimed in turn with the runs, each in a process of its own with torch as it "
        "comes and all threads, reading the files and evaluation outside the clock, as here. "
        "They train on all 60,000 images, their length is their authors' (of pytorch/examples "
        "the four epochs after which it reaches 99 %)."
    )


def _mean(accuracies: Sequence[float]) -> str:
    if len(accuracies) < 2:
        return f"{percent(accuracies[0])} (one run)"
    return wording.accuracy(mean_estimate(np.array(accuracies)))


def _recipe(plan: RecipePlan) -> str:
    values = {name: value for name, value in plan.config.to_dict().items() if name != "seed"}
    rows = [(f"`{name}`", str(value)) for name, value in values.items()]
    architecture = plan.config.architecture()
    rows += [
        ("layers", ", ".join(map(str, architecture.layers))),
        ("parameters", f"{plan.config.parameters():,}"),
        ("forward FLOPs of an image", f"{plan.config.evaluation_flops():,}"),
    ]
    return markdown_table(rows, header=("", ""))


def _provenance(folder: RunFolder, header: dict[str, object], runs: Sequence[RunRecord]) -> str:
    parts = []
    for digest, values in folder.read_environments().items():
        code = values["code"]
        commit = (code["commit"] or "not a git checkout")[:12]
        packages = ", ".join(f"{name} {version}" for name, version in values["packages"].items())
        count = sum(run.environment == digest for run in runs)
        parts.append(
            f"- {count} runs (environment `{digest}`): commit `{commit}`"
            f"{' with uncommitted changes' if code['dirty'] else ''}; {values['processor']}, "
            f"{values['cores']} cores, {values['cpu_capability']}, device {values['device']}, "
            f"{values['threads']} thread(s); Python {values['python']}, {packages}; "
            f"{values['system']}, {values['libc']}."
        )
    data = header["data"]
    assert isinstance(data, dict)
    parts.append(f"- Data: {data['label']}, SHA-256 of the splits `{data['sha256'][:16]}…`.")
    parts.append(f"- Started {header['started']}.")
    return "\n".join(parts)


def _add_to_index(
    folder: RunFolder, plan: RecipePlan, header: dict[str, object], headline: str
) -> None:
    """Add a line to the index of the results, where the folder lies under them."""
    root = RESULTS if plan.dataset == "mnist" else RESULTS / plan.dataset
    try:
        key = folder.path.resolve().relative_to(root.resolve())
    except ValueError:
        return
    add_line(
        root / "README.md",
        section="recipes",
        title="Recipes on fresh seeds",
        header=("started", "recipe", "finding"),
        key=key.as_posix(),
        cells=(str(header["started"]), plan.recipe, headline),
    )
