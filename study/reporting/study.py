"""Summary -> report.md: tables and text, nothing computed, nothing read."""

from __future__ import annotations

from collections.abc import Sequence

from mnist_core.runtime.formatting import markdown_table
from study.analysis.summary import Summary
from study.analysis.trade_offs import TradeOffs
from study.plans.base import StudyPlan
from study.records import sessions as wall_time
from study.records.incidents import Incidents, max_at_once
from study.reporting import finding as wording
from study.reporting import protocol as card
from study.reporting import published, rule
from study.reporting import ranking as ranking_table
from study.reporting import search as search_tables
from study.reporting import time as time_table
from study.reporting import trade_offs as trade_off_tables


def render(
    summary: Summary,
    drawn: Sequence[str],
    *,
    costs: TradeOffs | None = None,
    sessions: Sequence[wall_time.Session] = (),
) -> str:
    """Return the report as GitHub-flavoured Markdown; `costs` are those of architectures,
    `sessions` are those whose time is known."""
    data, subject = summary.header["data"], summary.plan.subject
    sections = [
        f"# {subject.topic.capitalize()} on {data['label']}: {subject.question}?",
        _opening(summary),
        rule.in_short(summary),
        f"**Finding.** {wording.finding(summary)}",
        f"## Ranking of the tuned {subject.plural}",
        rule.of_this_study(summary),
        ranking_table.ranking(summary),
        ranking_table.pairs(summary),
        _picture("ranking.png", f"mean test accuracy of each tuned {subject.singular}", drawn),
        "## Untuned beside tuned",
        ranking_table.tuning(summary),
        _picture("tuning.png", subject.tuning_picture, drawn),
        *_cost(costs, drawn),
        *_published(summary),
        "## Learning-rate sensitivity",
        search_tables.sensitivity(summary),
        _picture("learning-rate.png", "validation error against learning rate", drawn),
        "## The best expected of a tuning budget",
        search_tables.budgets(summary),
        "## Learning curves",
        _picture("learning-curves.png", "training loss along the run", drawn)
        or "No tuned configuration has run yet.",
        "## Time",
        time_table.section(summary),
        _at_once(summary),
        wall_time.section(sessions, finished=summary.finished),
        "## Diverged and stopped runs",
        _diverged(summary),
        "## All runs",
        card.all_runs(summary),
        *_happened(summary.incidents),
        "## Protocol",
        card.protocol(summary),
        "## Provenance",
        card.provenance(summary),
        "## Make it again",
        card.again(summary),
        "The raw records are in `records/`, one JSON file per run; "
        "`python -m study.report` with this folder builds this page from them again.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _cost(costs: TradeOffs | None, drawn: Sequence[str]) -> list[str]:
    """Return the section on what accuracy costs, where what is compared differs in it."""
    if costs is None:
        return []
    picture = _picture("cost.png", "error against parameters, FLOPs and latency", drawn)
    return ["## Accuracy against cost", picture, trade_off_tables.section(costs)]


def _published(summary: Summary) -> list[str]:
    """Return the section on the original README, where the study can be held beside it."""
    table = published.measured(summary)
    return ["## The published accuracies, measured", table] if table else []


def _at_once(summary: Summary) -> str:
    """Say how many runs shared the machines, where the records say when they began."""
    most = max_at_once(summary.records.values())
    return f"Up to {most} runs were trained at the same time." if most and most > 1 else ""


def _happened(incidents: Incidents) -> list[str]:
    """Return the section on what happened on the way; nothing where nothing did."""
    told = incidents.paragraphs()
    return ["## What happened on the way", *told] if told else []


def _picture(name: str, description: str, drawn: Sequence[str]) -> str:
    return f"![{description}]({name})" if name in drawn else ""


def _opening(summary: Summary) -> str:
    plan, data = summary.plan, summary.header["data"]
    labels = ", ".join(searched.label for searched in summary.searched)
    subject = plan.subject
    text = (
        f"**Asked.** Of {labels}: which reaches the highest test accuracy on {data['label']} "
        f"{subject.condition} in {card.epochs(plan)}, each with its {subject.tuned} "
        f"tuned at an equal budget?\n\n"
        f"**Budget.** {plan.trials_each_text} for each {subject.singular}, chosen on "
        f"{data['validation']:,} validation images; then the best of each and each "
        f"{subject.as_untuned} on {plan.confirm_seeds} fresh seeds{_more_seeds(plan)}, every one "
        f"evaluated once on the {data['test']:,} test images. {summary.finished} of "
        f"{summary.expected} runs "
        "are done."
    )
    if summary.is_partial:
        text += "\n\n> **Partial.** This study was interrupted; what follows stands on less."
    if data["name"] != "mnist":
        smaller = ", a far smaller set" if data["name"] == "digits" else ""
        text += (
            f"\n\n> **Not MNIST.** These numbers are for {data['label']}{smaller}; they say "
            "nothing about MNIST."
        )
    return text


def _more_seeds(plan: StudyPlan) -> str:
    most = plan.looks[-1]
    return f" (up to {most} where the tuned are undecided)" if most > plan.confirm_seeds else ""


def _diverged(summary: Summary) -> str:
    alone = summary.is_learning_rate_alone
    rate = "learning rate" if alone else "parameter"
    rows = [
        (
            record.key,
            wording.chosen(summary, record),
            f"failed: {record.error}" if record.error is not None else record.status,
            record.diverged_at_step or f"epoch {len(record.epochs)}",
        )
        for record in summary.records.values()
        if not record.is_completed
    ]
    text = "None: every run completed with a finite loss."
    if rows:
        text = markdown_table(
            rows, header=("run", summary.plan.subject.chosen, "status", "at step")
        )
    guessing = [f"{record.key} ({wording.chosen(summary, record)})" for record in summary.guessing]
    if guessing:
        text += (
            "\n\nCompleted, but no better than guessing (validation loss of 2.25 or more, where "
            f"guessing costs ln 10 = 2.30), with their {rate}s: {', '.join(guessing)}."
        )
    return text
