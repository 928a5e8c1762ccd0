"""The fixed part of a report: the protocol card, every run, provenance, and the command."""

from __future__ import annotations

import shlex

from mnist_core.data.registry import dataset_spec
from mnist_core.optim.custom import is_custom
from mnist_core.runtime.formatting import markdown_table, percent
from study.analysis.summary import Summary
from study.plans.base import PRUNERS, SAMPLERS, StudyPlan
from study.records.run_folder import numbered
from study.reporting import finding as wording
from study.search.optuna_view import sampler_options

SPACE_NAME = "space.toml"


def command(plan: StudyPlan) -> str:
    """Return the command that makes the study again, with every option spelled out."""
    words = ["python", "-m", plan.MODULE]
    for name in plan.option_names():
        value = getattr(plan, name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    if plan.needs_space_file:
        words += ["--space", SPACE_NAME]
    return shlex.join(words)


def again(summary: Summary) -> str:
    """Return the command that makes the study again, and what must be there for it."""
    text = f"```bash\n{command(summary.plan)}\n```"
    if summary.plan.needs_space_file:
        text += f"\n\n`{SPACE_NAME}` lies beside this page: start the command there"
        sources = [
            f"the module of `{name}` (SHA-256 of its source `{str(entry['source_sha256'])[:16]}…`)"
            for name, entry in summary.header[summary.plan.ARMS].items()
            if is_custom(name)
        ]
        text += f", with {' and '.join(sources)} on PYTHONPATH." if sources else "."
    return text


def epochs(plan: StudyPlan) -> str:
    """Say how long a run is."""
    return "one epoch" if plan.epochs == 1 else f"{plan.epochs} epochs"


def protocol(summary: Summary) -> str:
    """Return the card of what was fixed before the study began."""
    plan, data = summary.plan, summary.header["data"]
    subject = plan.subject
    augmentation = dataset_spec(plan.dataset).augmentation(plan.augmentation)
    seeds = ", ".join(map(str, plan.confirmation_seeds()))
    rows = [
        ("data", f"{data['label']}, SHA-256 of the splits `{data['sha256'][:16]}…`"),
        (
            "split",
            f"{data['train']:,} train, {data['validation']:,} validation (the last of the "
            f"training images), {data['test']:,} test; fixed",
        ),
        ("network", subject.network),
        ("loss, batch, length", f"NLL, {plan.batch_size} images, {epochs(plan)}"),
        ("augmentation", augmentation.text()),
        ("schedule", plan.schedule_text),
        (
            "budget",
            f"{plan.trials_each_text} for each of {len(plan.arms)} {subject.plural}, then "
            f"{plan.confirm_seeds} seeds for each best and each {subject.untuned}"
            + (
                f"; up to {plan.looks[-1]} for the best of those undecided on validation accuracy"
                if len(plan.looks) > 1
                else ""
            ),
        ),
        (
            "searched",
            f"{_searched(summary)}; one Optuna study per {subject.singular}",
        ),
        ("sampler", f"`{plan.sampler}`: {SAMPLERS[plan.sampler]}. {sampler_options(plan)}"),
        ("pruner", f"`{plan.pruner}`: {PRUNERS[plan.pruner]}"),
        ("objective", "validation accuracy after the last epoch; no best epoch is picked"),
        ("seeds", f"search {plan.seed} (shared by all trials), confirmation {seeds}"),
        (
            "test split",
            "evaluated once per confirmation run, after training; no choice is made on it",
        ),
        (
            "not tuned",
            subject.not_tuned,
        ),
    ]
    return markdown_table(rows, header=("", ""))


def _searched(summary: Summary) -> str:
    """List what is searched for each arm."""
    if not summary.is_learning_rate_alone:
        plan = summary.plan
        return " — ".join(f"{plan.spaces[arm].label}: {plan.space_text(arm)}" for arm in plan.arms)
    ranges = "; ".join(
        "{} {:g} to {:g}".format(searched.label, *searched.learning_rate_range)
        for searched in summary.searched
        if searched.learning_rate_range is not None
    )
    return f"peak learning rate, log-uniform: {ranges}"


def all_runs(summary: Summary) -> str:
    """List every run with its number and the digest of its weights."""
    alone = summary.is_learning_rate_alone
    rows = [
        (
            kind,
            number,
            record.arm,
            record.variant or "",
            f"{record.config.learning_rate:.4g}" if alone else wording.chosen(summary, record),
            record.config.seed,
            "–" if record.validation_accuracy is None else percent(record.validation_accuracy),
            percent(record.test.accuracy) if record.test is not None else "–",
            record.status,
            f"`{record.weights_sha256[:12]}`" if record.weights_sha256 else "–",
        )
        for kind, number, record in numbered(summary.plan, summary.records)
    ]
    if not rows:
        return "No run has finished yet."
    header = (
        "kind",
        "number",
        summary.plan.subject.singular,
        "configuration",
        summary.plan.subject.chosen,
        "seed",
        "validation",
        "test",
        "status",
        "weights (SHA-256)",
    )
    table = markdown_table(rows, header=header, numeric=("number", *header[4 if alone else 5 : 8]))
    return (
        f"<details>\n<summary>{len(rows)} runs, each with its digest; "
        "<code>python -m study.replay</code> with this folder and <code>--trial</code> or "
        "<code>--confirmation</code> and a number trains one again</summary>\n\n"
        f"{table}\n\n</details>"
    )


def provenance(summary: Summary) -> str:
    """Return what ran, on what, and how many runs on each."""
    parts = []
    for digest, values in summary.environments.items():
        code = values["code"]
        commit = (code["commit"] or "not a git checkout")[:12]
        dirty = " with uncommitted changes" if code["dirty"] else ""
        packages = ", ".join(f"{name} {version}" for name, version in values["packages"].items())
        count = sum(record.environment == digest for record in summary.records.values())
        parts.append(
            f"- {count} runs (environment `{digest}`): commit `{commit}`{dirty}; "
            f"{values['processor']}, {values['cores']} cores, {values['cpu_capability']}, device "
            f"{values['device']}, {values['threads']} thread(s) per worker; Python "
            f"{values['python']}, {packages}; {values['system']}, {values['libc']}; deterministic "
            f"algorithms {'on' if values['deterministic_algorithms'] else 'off'}."
        )
    parts.append(f"- Started {summary.header['started']}.")
    return "\n".join(parts)
