"""Rows -> cells: what stands in each column of a report's tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.analysis.key_figures import Headline
from bench.analysis.quantiles import TooFewSamplesError, quantile
from bench.analysis.ratios import Ratio
from bench.analysis.record import CaseRecord, Record
from bench.analysis.stability import BOUNCES, DRIFT, TWO_MODES
from bench.analysis.summary import Row, absolute, floor_width
from bench.reporting import rounding

HEADLINE_HEADER = ("question", "answer", "n", "target", "")
LIMIT_HEADER = ("limit", "reached", "spread", "n")
LATENCY_HEADER = (
    *("form", "p50", "p95", "p99", "calls"),
    *("ratio", "share of limit", "limit", "spread", "n"),
)
OPERATOR_HEADER = ("operator", "calls a step", "self time")
SPLIT_PARTS = ("data", "forward", "backward", "optimizer", "rest")
SPLIT_HEADER = ("scenario", *SPLIT_PARTS, "peak memory", "GFLOP", "n")
NOT_SEPARATED = " ≈"
RESTLESS = {
    TWO_MODES: "the blocks fall into two groups, and no figure of the row is typical of both",
    DRIFT: "the first half of the blocks differs from the second by more than 5 %",
    BOUNCES: "the middle half of the blocks spans more than ± 10 %",
}


def headline_row(headline: Headline) -> list[str]:
    """Return the cells of a headline."""
    if headline.is_share:
        value = rounding.percent_with_interval(headline.ratio, target=headline.target)
    else:
        value = rounding.with_interval(headline.ratio, target=headline.target)
    target = ""
    if headline.target is not None:
        bound = "≤" if headline.at_most else "≥"
        number = f"{100 * headline.target:.0f} %" if headline.is_share else f"{headline.target:g}"
        target = f"{bound} {number}"
    return [
        headline.question,
        f"{value} {headline.answer}",
        str(headline.ratio.count),
        target,
        headline.verdict,
    ]


def limit_row(case: CaseRecord) -> list[str]:
    """Return the cells of a limit: GFLOP/s of a product, GB/s of a copy."""
    work, unit = (case.flops, "GFLOP/s") if case.flops else (case.bytes, "GB/s")
    rate = absolute(case.block_seconds()).inverted().scaled(work / 1e9)
    from bench.analysis.ratios import median_spread

    return [
        case.workload.name,
        rounding.with_interval(rate, unit=f" {unit}"),
        rounding.spread(median_spread(case.block_seconds())),
        str(len(case.blocks)),
    ]


def row_header(found: list[Row]) -> list[str]:
    """Return the columns that the rows of a group can fill."""
    optimizers = all(row.workload.kind == "optimizer-step" for row in found)
    header = ["form", "µs a step" if optimizers else "images/s", "ratio"]
    if any(row.of_a_step for row in found):
        header.append("of a training step")
    if any(row.share for row in found):
        header += ["share of limit", "limit"]
    if any(row.intensity for row in found) and not optimizers:
        header.append("FLOP/byte")
    return [*header, "spread", "n", *_blocks_header(found)]


def _blocks_header(found: list[Row]) -> list[str]:
    """Return the column for the word on restless blocks, where there are any."""
    return ["blocks"] if any(row.restless for row in found) else []


def numeric(header: Sequence[str]) -> list[str]:
    """Return the columns of a table of cases that hold numbers."""
    return [name for name in header if name not in ("form", "limit", "blocks")]


def latency_header(found: list[Row]) -> list[str]:
    """Return the columns of a table of latencies."""
    return [*LATENCY_HEADER, *_blocks_header(found)]


def row(found: Row, header: list[str]) -> list[str]:
    """Return the cells of a row."""
    cells = {
        "form": found.workload.name,
        "images/s": rounding.value_only(found.per_second),
        "µs a step": rounding.with_interval(found.seconds, scale=1e6),
        "ratio": ratio(found),
        "of a training step": (
            rounding.percent_with_interval(found.of_a_step) if found.of_a_step else ""
        ),
        "share of limit": rounding.percent_with_interval(found.share) if found.share else "",
        "limit": found.limit or "",
        "FLOP/byte": f"{found.intensity:.0f}" if found.intensity else "",
        "spread": rounding.spread(found.spread),
        "n": str(found.blocks),
        "blocks": found.restless or "",
    }
    return [cells[name] for name in header]


def ratio(found: Row) -> str:
    """Return the ratio to the reference, marked where it is not separated from 1."""
    if found.versus is None:
        return "1"
    return rounding.with_interval(found.versus) + ("" if found.separated else NOT_SEPARATED)


def notes(found: list[Row], floor: Ratio | None) -> str:
    """Explain the marks of a table."""
    text = []
    if any(row.versus is not None and not row.separated for row in found):
        text.append(
            "≈: not separated from the reference: the interval reaches into the noise floor."
        )
    words = sorted({row.restless for row in found if row.restless})
    text += [f"{word[0].upper()}{word[1:]}: {RESTLESS[word]}." for word in words]
    return " ".join([*text, floor_note(floor)])


def floor_note(floor: Ratio | None) -> str:
    """Say how far the same code was from itself."""
    if floor is None:
        return ""
    return f"Noise floor: the same code differed from itself by up to {floor_percent(floor)}."


def floor_percent(floor: Ratio) -> str:
    """Return how far the same code was from itself."""
    return f"{100 * (math.exp(floor_width(floor)) - 1):.1f} %"


def _percentile(case: CaseRecord, percentile: float) -> str:
    try:
        found = quantile(case.blocks, percentile)
    except TooFewSamplesError as refusal:
        return str(refusal)
    as_ratio = Ratio(value=found.value, low=found.low, high=found.high, count=found.count)
    return rounding.with_interval(as_ratio, scale=1e6, unit=" µs")


def latency_row(found: Row, case: CaseRecord, header: list[str]) -> list[str]:
    """Return the cells of a latency."""
    cells = [
        found.workload.name,
        *(_percentile(case, percentile) for percentile in (50.0, 95.0, 99.0)),
        f"{len(case.samples()):,}",
        ratio(found),
        rounding.percent_with_interval(found.share) if found.share else "",
        found.limit or "",
        rounding.spread(found.spread),
        str(found.blocks),
        found.restless or "",
    ]
    return cells[: len(header)]


def split_row(profile: dict[str, Any]) -> list[str]:
    """Return the cells of a profile's split."""
    return [
        profile["scenario"]["name"],
        *(
            f"{100 * profile['split'][part]:.0f} %" if part in profile["split"] else "–"
            for part in SPLIT_PARTS
        ),
        f"{profile['peak_bytes'] / 2**20:.1f} MiB",
        f"{profile['flops'] / 1e9:.3g}",
        str(profile.get("steps", 5)),
    ]


def operator_rows(profile: dict[str, Any]) -> list[list[str]]:
    """Return the cells of a profile's operators, the rest in one line."""
    named = [
        [f"`{op['name']}`", f"{op['calls']:g}", f"{100 * op['self_share']:.1f} %"]
        for op in profile["operators"]
    ]
    rest = 1.0 - sum(op["self_share"] for op in profile["operators"])
    return [*named, ["everything else", "", f"{100 * rest:.1f} %"]]


def host_text(record: Record) -> str:
    """Say how loaded the machine was and whether its clock moved."""
    states = [s for group in record.groups for s in (group.host_before, group.host_after)]
    loads = [s["load_1_minute"] for s in states if s["load_1_minute"] is not None]
    clocks = [mhz for s in states for mhz in s["megahertz"] or []]
    text = []
    if loads:
        text.append(
            f"Load average between groups (this run included): {min(loads):.1f} to "
            f"{max(loads):.1f} on {record.environment['cores']} cores."
        )
    if clocks:
        low, high = min(clocks), max(clocks)
        moved = (
            f"stayed at {low:,.0f} MHz as far as the system shows it"
            if low == high
            else f"moved between {low:,.0f} and {high:,.0f} MHz"
        )
        text.append(f"The clock frequency {moved}.")
    else:
        text.append("The clock frequency is not readable here.")
    return " ".join([*text, *_taken(record)])


def _taken(record: Record) -> list[str]:
    """Say what others took of the cores during the groups, where the record knows."""
    pairs = [(g.host_before, g.host_after) for g in record.groups]
    keys = ("steal_ticks", "all_ticks", "involuntary_switches", "threads")
    known = [(b, a) for b, a in pairs if all(s.get(k) is not None for s in (b, a) for k in keys)]
    if not known:
        return []
    steal = [
        100 * (a["steal_ticks"] - b["steal_ticks"]) / max(1, a["all_ticks"] - b["all_ticks"])
        for b, a in known
    ]
    lost = [a["involuntary_switches"] - b["involuntary_switches"] for b, a in known]
    threads = [state["threads"] for pair in known for state in pair]
    return [
        f"Group by group, a hypervisor took {min(steal):.1f} to {max(steal):.1f} % of the cores' "
        f"time, this process lost a core that it wanted {min(lost):,} to {max(lost):,} times, and "
        f"it had {min(threads)} to {max(threads)} threads."
    ]
