"""The report of a recipe's runs, built from their records alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from mnist_core.index import add_line
from mnist_core.report import markdown_table, percent, percent_interval, write_atomically
from study.evidence import Estimate, mean_estimate
from study.recipe_plan import RecipePlan
from study.recipe_records import RecipeFolder
from study.records import Record
from study.references import REFERENCES
from study.session import RESULTS

TITLES = {
    "record": "How accurate can so few parameters be",
    "sprint": "How soon is 99 % reached",
}


def write_report(folder: RecipeFolder) -> str:
    """Write report.md and the index line of a run folder; return the finding in one line."""
    header = folder.read_header()
    plan: RecipePlan = header["plan"]
    runs = folder.read_runs()
    references = folder.read_references()
    sections = [
        f"# {TITLES.get(plan.recipe, f'The recipe {plan.recipe}')}? {header['data']['label']}",
        _opening(plan, header, runs),
        f"**Finding.** {_finding(plan, runs, references)}",
        "## Runs",
        _runs(runs),
        *(["## Beside it", _beside(runs, references)] if references else []),
        "## The recipe",
        _recipe(plan),
        "## Provenance",
        _provenance(folder, header, runs),
        "## Make it again",
        f"```bash\n{_command(plan)}\n```",
        f"The raw records are in `records/`. `{next(iter(plan.run_configs()))}.safetensors` is "
        "the first run's network, which `python -m mnist_core evaluate` and `export` take; "
        "`python -m study.report` with this folder builds this page again, and "
        "`python -m study.replay` with it and `--confirmation` and a number trains a run again.",
    ]
    write_atomically(folder.path / "report.md", "\n\n".join(sections) + "\n")
    headline = _headline(plan, header["data"]["label"], runs)
    _add_to_index(folder, plan, header, headline)
    return headline


def _tested(runs: Sequence[Record]) -> list[float]:
    return [run["test"]["correct"] / run["test"]["count"] for run in runs if "test" in run]


def _seconds(run: Record) -> float:
    return float(sum(epoch["train_seconds"] for epoch in run["epochs"]))


def _estimate(runs: Sequence[Record]) -> Estimate | None:
    accuracies = _tested(runs)
    return mean_estimate(np.array(accuracies)) if len(accuracies) > 1 else None


def _accuracy(estimate: Estimate) -> str:
    return (
        f"{percent(estimate.mean, digits=3)} "
        f"({percent_interval(estimate.low, min(estimate.high, 1.0), digits=3)})"
    )


def _times(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def _parameters(plan: RecipePlan) -> int:
    return plan.config.parameters()


def _opening(plan: RecipePlan, header: dict[str, object], runs: Sequence[Record]) -> str:
    data = header["data"]
    assert isinstance(data, dict)
    config = plan.config
    trained_on = data["train"]
    validated = f"the {data['validation']:,} validation images are not trained on."
    if config.train_on_validation:
        trained_on += data["validation"]
        validated = (
            f"once it was, the {data['validation']:,} validation images are trained on as well: "
            "these runs have no validation accuracy."
        )
    return (
        f"**Asked.** What mean test accuracy does the recipe `{plan.recipe}` reach on "
        f"{data['label']}, with a network of {_parameters(plan):,} parameters (the seed's has "
        f"23,354){_views(plan)}, and how long does it train?\n\n"
        f"**Budget.** {config.epochs} epoch{'s' if config.epochs > 1 else ''} of "
        f"{trained_on:,} images a run; {len(runs)} of {plan.seeds} runs are done, each of a "
        "seed that the search for the recipe did not use, each evaluated once on the "
        f"{data['test']:,} test images. docs/recipes.md tells how the recipe was chosen, on "
        f"held-out training images; {validated}"
    )


def _views(plan: RecipePlan) -> str:
    views = plan.config.architecture().views
    if views == 1:
        return ""
    return f", which averages its answers to {views} views of an image, moved by a pixel"


def _finding(plan: RecipePlan, runs: Sequence[Record], references: dict[str, list[Record]]) -> str:
    estimate = _estimate(runs)
    if estimate is None:
        return "Fewer than two runs are done: nothing can be said yet."
    target = percent(plan.target_accuracy)
    if estimate.low > plan.target_accuracy:
        verdict = f"above {target} with the whole interval"
    elif estimate.mean >= plan.target_accuracy:
        verdict = f"not below {target}, though the interval reaches below it"
    else:
        verdict = f"below {target}"
    accuracies = _tested(runs)
    text = (
        f"**{_accuracy(estimate)} mean test accuracy over {estimate.n} seeds**, {verdict} "
        f"(runs from {percent(min(accuracies))} to {percent(max(accuracies))}). Training took "
        f"{_times([_seconds(run) for run in runs])} a run"
        f"{_with(plan)}, evaluation and reading the files outside the clock (median and range)."
    )
    for name, outcomes in references.items():
        ratio = statistics.median([outcome["seconds"] for outcome in outcomes])
        ratio /= statistics.median([_seconds(run) for run in runs])
        text += f" {REFERENCES[name].label} took {ratio:.1f} times as long in the same session."
    missed = [run for run in runs if "test" not in run]
    if missed:
        text += f" {len(missed)} run(s) diverged and have no accuracy."
    return text


def _with(plan: RecipePlan) -> str:
    threads = "one thread" if plan.threads == 1 else f"{plan.threads} threads"
    return f" on {threads}" + (
        f", {plan.workers} runs at the same time" if plan.workers > 1 else ""
    )


def _runs(runs: Sequence[Record]) -> str:
    rows = [
        (
            number,
            run["config"]["seed"],
            _validation(run),
            f"{run['test']['correct']:,} of {run['test']['count']:,}" if "test" in run else "–",
            percent(run["test"]["correct"] / run["test"]["count"]) if "test" in run else "–",
            f"{_seconds(run):.2f} s",
            run["status"],
            f"`{run['weights_sha256'][:12]}`",
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
    misread = [set(run["test"]["misread"]) for run in runs if "test" in run]
    if len(misread) < 2:
        return table
    always, ever = set.intersection(*misread), set.union(*misread)
    return (
        f"{table}\n\n{len(always)} test images are misread by every run, {len(ever)} by at least "
        "one. The interval is Student's t over the seeds: it speaks of other seeds on these test "
        "images."
    )


def _validation(run: Record) -> str:
    """Return the accuracy on images that the run has not trained on, where there is one."""
    accuracy = run["validation_accuracy"]
    return percent(accuracy) if accuracy and not run["config"].get("train_on_validation") else "–"


def _beside(runs: Sequence[Record], references: dict[str, list[Record]]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            "this recipe",
            runs[0]["config"]["epochs"],
            len(runs),
            _times([_seconds(run) for run in runs]),
            _mean(_tested(runs)),
        )
    ]
    for name, outcomes in references.items():
        rows.append(
            (
                f"{REFERENCES[name].label} ({outcomes[0]['parameters']:,} parameters)",
                outcomes[0]["epochs"],
                len(outcomes),
                _times([outcome["seconds"] for outcome in outcomes]),
                _mean(_tested(outcomes)),
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
    return _accuracy(mean_estimate(np.array(accuracies)))


def _recipe(plan: RecipePlan) -> str:
    values = {name: value for name, value in plan.config.to_dict().items() if name != "seed"}
    rows = [(f"`{name}`", str(value)) for name, value in values.items()]
    architecture = plan.config.architecture()
    rows += [
        ("layers", ", ".join(map(str, architecture.layers))),
        ("parameters", f"{_parameters(plan):,}"),
        ("forward FLOPs of an image", f"{architecture.evaluation_flops():,}"),
    ]
    return markdown_table(rows, header=("", ""))


def _provenance(folder: RecipeFolder, header: dict[str, object], runs: Sequence[Record]) -> str:
    parts = []
    for digest, values in folder.read_environments().items():
        code = values["code"]
        commit = (code["commit"] or "not a git checkout")[:12]
        packages = ", ".join(f"{name} {version}" for name, version in values["packages"].items())
        count = sum(run["environment"] == digest for run in runs)
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


def _command(plan: RecipePlan) -> str:
    words = [
        f"python -m study.recipe {plan.recipe} --seeds {plan.seeds}",
        f"--epochs {plan.config.epochs} --target-accuracy {plan.target_accuracy:g}",
        f"--dataset {plan.dataset} --device {plan.device}",
        f"--threads {plan.threads} --workers {plan.workers}",
    ]
    if plan.seed:
        words.append(f"--seed {plan.seed}")
    if plan.beside:
        words.append(f"--beside {','.join(plan.beside)}")
    return " ".join(words)


def _headline(plan: RecipePlan, label: str, runs: Sequence[Record]) -> str:
    estimate = _estimate(runs)
    if estimate is None:
        return f"{label}, {plan.recipe}: {len(runs)} of {plan.seeds} runs are done"
    seconds = statistics.median([_seconds(run) for run in runs])
    return (
        f"{label}, {plan.recipe}: {_accuracy(estimate)} over {estimate.n} seeds, "
        f"{_parameters(plan):,} parameters, {seconds:.3g} s of training"
    )


def _add_to_index(
    folder: RecipeFolder, plan: RecipePlan, header: dict[str, object], headline: str
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
