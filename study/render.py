"""Summary -> report.md: tables and text, nothing computed, nothing read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mnist_core.report import cell, duration, markdown_table, percent
from study import card, obvious, search_tables, seed_claim, trade_off_tables, wording
from study.evidence import verdict_confidence
from study.history import History, most_at_once
from study.plan import StudyPlan
from study.records import run_seconds
from study.summary import Summary
from study.trade_offs import TradeOffs


def render(
    summary: Summary,
    drawn: Sequence[str],
    *,
    costs: TradeOffs | None = None,
    beside: obvious.Beside | None = None,
) -> str:
    """Return the report as GitHub-flavoured Markdown; `costs` are those of architectures, `beside`
    is what the obvious script would have cost."""
    data, subject = summary.header["data"], summary.plan.subject
    sections = [
        f"# {subject.topic.capitalize()} on {data['label']}: {subject.question}?",
        _opening(summary),
        f"**Finding.** {wording.finding(summary)}",
        f"## Ranking of the tuned {subject.plural}",
        f"**The rule**, fixed before any data. {wording.rule(summary)}",
        _ranking(summary),
        _picture("ranking.png", f"mean test accuracy of each tuned {subject.singular}", drawn),
        "## Untuned beside tuned",
        _tuning(summary),
        _picture("tuning.png", subject.tuning_picture, drawn),
        *_cost(costs, drawn),
        *_seed_claim(summary),
        "## Learning-rate sensitivity",
        search_tables.sensitivity(summary),
        _picture("learning-rate.png", "validation error against learning rate", drawn),
        "## What a smaller tuning budget would have found",
        search_tables.smaller_budgets(summary),
        "## Learning curves",
        _picture("learning-curves.png", "training loss along the run", drawn)
        or "No tuned configuration has run yet.",
        "## Time",
        _time(summary),
        _at_once(summary),
        obvious.section(beside) if beside else "",
        "## Diverged and stopped runs",
        _diverged(summary),
        "## All runs",
        card.all_runs(summary),
        *_happened(summary.history),
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


def _seed_claim(summary: Summary) -> list[str]:
    """Return the section on the seed document's claim, where it made one."""
    if not summary.plan.subject.has_seed_claim:
        return []
    needed = "Needs SGD and Adam, confirmed both tuned and at their library defaults."
    return ["## The seed's claim", seed_claim.measured(summary) or needed]


def _at_once(summary: Summary) -> str:
    """Say how many runs shared the machines, where the records say when they began."""
    most = most_at_once(summary.records.values())
    return f"Up to {most} runs were trained at the same time." if most and most > 1 else ""


def _happened(history: History) -> list[str]:
    """Return the section on what happened on the way; nothing where nothing did."""
    told = history.paragraphs()
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
        f"**Budget.** {plan.trials_each} trials for each {subject.singular}, chosen on "
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


def _ranking(summary: Summary) -> str:
    if not summary.ranking:
        return "No tuned configuration has been confirmed on all of its seeds yet."
    rows = []
    for place, ranked in enumerate(summary.ranking, start=1):
        if place == 1:
            behind = images = misread = "–"
            verdict = "highest mean"
        else:
            behind = wording.points(ranked.behind_best)
            images = wording.points(ranked.over_images_too)
            misread = f"{ranked.only_it_misreads:.0f} / {ranked.only_best_misreads:.0f}"
            verdict = "worse" if ranked.behind_best.is_separated else "not separated"
        rows.append(
            (
                place,
                ranked.confirmed.label,
                wording.chosen(summary, ranked.confirmed.runs[0]),
                ranked.confirmed.estimate.n,
                wording.accuracy(ranked.confirmed),
                behind,
                verdict,
                images,
                misread,
            )
        )
    subject = summary.plan.subject
    level = f"{100 * verdict_confidence(len(summary.plan.looks)):.4g}"
    header = (
        "",
        subject.singular,
        subject.chosen,
        "n",
        "mean test accuracy (95 %)",
        f"points from the highest (simultaneous {level} %, other seeds)",
        "verdict",
        "the same, other images too",
        "misread by it alone / by the highest alone",
    )
    first = 2 if summary.is_learning_rate_alone else 3
    numeric = (*header[first:6], *header[7:])
    table = markdown_table(rows, header=header, numeric=numeric)
    return (
        f"{table}\n\nPaired over seeds and test images: both train on the same seeds and read the "
        "same images. The verdict speaks of other seeds on these images; *other images too* adds "
        "how much such images differ (two-way clustered variance, Cameron, Gelbach and Miller "
        "2011). The last column counts images of the test split, mean over the seeds. "
        + wording.detectable_difference(summary)
    ).rstrip()


def _tuning(summary: Summary) -> str:
    subject = summary.plan.subject
    if not summary.tuning_gains:
        return f"No {subject.singular} has been confirmed both tuned and {subject.as_untuned} yet."
    alone = summary.is_learning_rate_alone
    rows = []
    for searched in summary.searched:
        gain = summary.tuning_gains.get(searched.arm)
        tuned = summary.find(searched.arm, "tuned")
        default = summary.find(searched.arm, "default")
        if gain is None or tuned is None or default is None:
            continue
        rows.append(
            (
                searched.label,
                f"{default.learning_rate:g}"
                if alone
                else wording.chosen(summary, default.runs[0]),
                wording.accuracy(default),
                wording.chosen(summary, tuned.runs[0]),
                wording.accuracy(tuned),
                wording.points(gain),
                "yes" if gain.is_separated else "not separated",
            )
        )
    header = (
        subject.singular,
        subject.untuned_column,
        f"test accuracy {subject.of_untuned} (95 %)",
        "tuned rate" if alone else "tuned",
        "test accuracy tuned (95 %)",
        "gain in points (95 %, all rows together)",
        "differs",
    )
    note = (
        f"{subject.untuned_note} Gains are paired by seed (n = {summary.plan.confirm_seeds}, "
        "Student t, Bonferroni over the rows)."
    )
    return markdown_table(rows, header=header, numeric=header[1:6]) + "\n\n" + note


def _time(summary: Summary) -> str:
    if not summary.confirmed:
        return "No configuration has been confirmed yet."
    rows = [
        (
            entry.label,
            entry.variant,
            f"{entry.seconds:.1f} s",
            f"{entry.images_per_second:,.0f}",
            f"{sum(t is not None for t in entry.seconds_to_target)} of {len(entry.runs)}",
            _median_time(entry.seconds_to_target),
        )
        for entry in summary.confirmed
    ]
    header = (
        summary.plan.subject.singular,
        "configuration",
        "median training time",
        "images/s",
        "runs that reached the target",
        "time to it, median",
    )
    target = summary.plan.target_accuracy
    total = sum(map(run_seconds, summary.records.values()))
    return (
        markdown_table(rows, header=header, numeric=header[2:])
        + f"\n\nPer run on one worker with {summary.plan.threads} CPU thread(s), evaluation "
        "outside the clock; other workers ran beside it, so this is no benchmark. The target is "
        f"a validation accuracy of {percent(target)} at the end of an epoch; a median counts runs "
        "that missed it as longer than all others. All runs "
        f"together: {duration(total)} of one worker's time."
    )


def _median_time(seconds: Sequence[float | None]) -> str:
    """Return the median, where at least half of the runs have one."""
    reached = sorted(float("inf") if value is None else value for value in seconds)
    middle = reached[len(reached) // 2]
    return "not reached" if math.isinf(middle) else f"{middle:.1f} s"


def _diverged(summary: Summary) -> str:
    alone = summary.is_learning_rate_alone
    rate = "learning rate" if alone else "parameter"
    rows = [
        (
            record["key"],
            wording.chosen(summary, record),
            cell(f"failed: {record['error']}") if "error" in record else record["status"],
            record.get("diverged_at_step") or f"epoch {len(record['epochs'])}",
        )
        for record in summary.records.values()
        if record["status"] != "completed"
    ]
    text = "None: every run completed with a finite loss."
    if rows:
        text = markdown_table(
            rows, header=("run", summary.plan.subject.chosen, "status", "at step")
        )
    guessing = [
        f"{record['key']} ({wording.chosen(summary, record)})" for record in summary.guessing
    ]
    if guessing:
        text += (
            "\n\nCompleted, but no better than guessing (validation loss of 2.25 or more, where "
            f"guessing costs ln 10 = 2.30), with their {rate}s: {', '.join(guessing)}."
        )
    return text
