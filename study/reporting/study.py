"""The report of a study, built from its records alone: report.md and its pictures."""

import shlex
from collections.abc import Sequence
from typing import Any

from mnist_core.config import TrainConfig
from mnist_core.data.registry import dataset_spec
from mnist_core.optim.custom import is_custom
from mnist_core.optim.registry import OPTIMIZERS
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.formatting import wilson_interval
from mnist_core.runtime.results_index import add_run
from study.analysis.finding import finding_of
from study.analysis.summary import Summary, summarise
from study.analysis.trade_offs import COSTS, TradeOffs, trade_offs
from study.plans.architectures import ArchitecturePlan
from study.plans.base import StudyPlan
from study.plans.choices import PRUNERS, SAMPLERS
from study.plans.space_file import to_toml
from study.records import latency, sessions
from study.records.incidents import Incidents, max_at_once, read_incidents
from study.records.run_folder import RULE_VERSION, RunFolder, numbered
from study.records.sessions import Session
from study.reporting import plots, published, rule, search
from study.reporting.page import render
from study.search.samplers import sampler_options

SPACE_NAME = "space.toml"


def write_report(folder: RunFolder) -> str:
    """Write report.md and the plots of a run folder, and its search spaces where they are not the
    registry's; return the finding in one line."""
    summary = summarise(
        folder.read_header(),
        folder.read_records(),
        folder.read_environments(),
        incidents=read_incidents(folder.path),
    )
    plan, costs = summary.plan, None
    if isinstance(plan, ArchitecturePlan):
        costs = trade_offs(summary, latency.read(folder.path), limits=plan.limits)
    drawn = plots.draw_all(summary, folder.path, costs=costs)
    if plan.needs_space_file:
        write_atomically(folder.path / SPACE_NAME, to_toml(plan.spaces))
    text = page(summary, drawn, costs=costs, sessions=sessions.read(folder.path))
    write_atomically(folder.path / "report.md", text)
    line = headline(summary)
    _add_to_index(folder, summary, line)
    return line


def _add_to_index(folder: RunFolder, summary: Summary, line: str) -> None:
    plan = summary.plan
    seeds = " to ".join(dict.fromkeys(map(str, (plan.looks[0], plan.looks[-1]))))
    budget = f"{plan.trials} trials, {plan.epochs} epoch(s), {seeds} seeds"
    add_run(
        folder.path,
        dataset=plan.dataset,
        section=plan.terms.index_section,
        title=f"Studies of {plan.terms.topic}, {summary.header['data']['label']}",
        header=("started", "budget", "finding"),
        cells=(summary.header["started"], budget, line),
    )


def headline(summary: Summary) -> str:
    """Return the finding in one line, for the terminal and the index."""
    return " ".join(render("headline.md.j2", **_finding_values(summary)).split())


def finding(summary: Summary) -> str:
    """Return the finding as a paragraph."""
    return " ".join(render("finding.md.j2", **_finding_values(summary)).split())


def page(
    summary: Summary,
    drawn: Sequence[str],
    *,
    costs: TradeOffs | None = None,
    sessions: Sequence[Session] = (),
) -> str:
    """Return the report as GitHub-flavoured Markdown; `drawn` are the pictures that there are,
    `costs` are those of architectures, `sessions` are those whose time is known."""
    plan = summary.plan
    augmentation = dataset_spec(plan.dataset).augmentation(plan.augmentation)
    return render(
        f"{plan.terms.topic}.md.j2",
        **_finding_values(summary),
        **_rule_values(summary),
        parameters=TrainConfig(dataset=plan.dataset).parameters(),
        optimizers=OPTIMIZERS,
        costs=costs,
        cost_names=list(COSTS),
        finding_text=finding(summary),
        header=summary.header,
        drawn=drawn,
        published=published.claims(summary),
        range_reasons=search.range_reasons(summary),
        budgets=search.budgets(summary),
        width_distance=search.WIDTH_DISTANCE,
        max_at_once=max_at_once(summary.records.values()),
        sessions=sessions,
        all_runs=numbered(plan, summary.records),
        incidents=summary.incidents,
        events=_events(summary.incidents),
        augmentation=augmentation.text(),
        sampler=SAMPLERS[plan.sampler],
        sampler_options=sampler_options(plan),
        pruner=PRUNERS[plan.pruner],
        command=command(plan),
        space_name=SPACE_NAME,
        custom_sources={
            name: str(entry["source_sha256"])
            for name, entry in summary.header[plan.ARMS].items()
            if is_custom(name)
        },
    )


def command(plan: StudyPlan) -> str:
    """Return the command that runs the study again, with every option spelled out."""
    words = ["python", "-m", plan.MODULE]
    for name in plan.option_names():
        value = getattr(plan, name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    if plan.needs_space_file:
        words += ["--space", SPACE_NAME]
    return shlex.join(words)


def _finding_values(summary: Summary) -> dict[str, Any]:
    return {
        "summary": summary,
        "plan": summary.plan,
        "terms": summary.plan.terms,
        "data": summary.header["data"],
        "alone": summary.plan.is_learning_rate_alone,
        "ranked": summary.ranking,
        "finding": finding_of(summary),
    }


def _rule_values(summary: Summary) -> dict[str, Any]:
    plan, image_points = summary.plan, None
    if summary.ranking:
        count = summary.header["data"]["test"]
        correct = round(summary.ranking[0].confirmed.estimate.mean * count)
        low, high = wilson_interval(correct, count)
        image_points = 50 * (high - low)
    return {
        "rule_version": RULE_VERSION,
        "recorded_rule": summary.header.get("rule"),
        "level": rule.level(plan),
        "image_points": image_points,
        "found": rule.found(plan),
        "found_by_auto": rule.found_by_auto(plan),
        "auto": rule.AUTO,
    }


def _events(incidents: Incidents) -> list[tuple[str, str]]:
    """Return what happened besides the runs: the time, and what it was."""
    waited = "a process waited for the database until"
    waits = [(outage.began, f"{waited} {outage.ended}") for outage in incidents.outages]
    lost_runs = [(lost.time, f"{lost.key} was lost: {lost.how}") for lost in incidents.lost_runs]
    return sorted(lost_runs + waits)
