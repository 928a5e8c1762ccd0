"""Rows -> Markdown: how a report begins: what was asked, on what, what follows, the limits."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.key_figures import Headline
from bench.analysis.record import Record
from bench.analysis.summary import rows
from bench.reporting import tables
from bench.workloads.controls import LIMIT_PREFIX
from bench.workloads.workload import DEVICES
from mnist_core.runtime.formatting import duration, markdown_table


def opening(record: Record) -> str:
    """Say what was asked, on what, and how to read the numbers."""
    machine = record.environment
    where = machine["device"] if record.device == "cuda" else machine["processor"]
    commit = machine["code"]["commit"]
    version = f"commit {commit[:12]}" if commit else "no git checkout"
    if machine["code"]["dirty"]:
        version += " with changes that are not committed"
    whole = (
        ""
        if record.complete
        else "**A part of the suite**: cases are missing, so this is no reference.\n\n"
    )
    notice = record.dataset.get("notice")
    images = f"{record.dataset['label']}" + (f" ({notice})" if notice else "")
    other = [
        f"{name.upper()}: {len(names)} cases skipped: {reason}."
        for name in DEVICES
        if name != record.device
        for reason, names in _skipped(record, name)
    ]
    here = [
        f"{len(names)} cases skipped: {reason} ({', '.join(sorted(names))})."
        for reason, names in _skipped(record, record.device)
    ]
    return (
        f"# How fast, and how near the limit: {record.device.upper()}\n\n{whole}"
        "Asked: how fast the seed's network trains and answers here, what each form of it gains, "
        "and how far the machine's own limit is.\n\n"
        f"On: {where}, {machine['cores']} cores, {machine['threads']} threads, torch "
        f"{machine['packages']['torch']}, Python {machine['python']}, {machine['system']}; "
        f"{images}; {version}; {record.created_utc} UTC; the run took "
        f"{duration(record.seconds)}.\n\n"
        "Every case of a table was timed in turn with the others of that table, a short block of "
        "each at a time, so that what the machine did over minutes met all of them alike. Ratios "
        "and shares pair such blocks; in brackets are 95 % intervals (Wilcoxon's signed ranks) "
        "for other seconds of this run; another run of the same code differs by more (see How "
        "far to trust it). n is the number of blocks."
        + ("\n\n" + " ".join(here + other) if here or other else "")
    )


def _skipped(record: Record, device: str) -> Iterable[tuple[str, list[str]]]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in record.skipped.items():
        if name.startswith(f"{device}: "):
            by_reason.setdefault(reason, []).append(name)
    return by_reason.items()


def answers(found: list[Headline], record: Record) -> str:
    """List what follows, and what is not separated."""
    if not found:
        return ""
    table = markdown_table(
        [tables.headline_row(headline) for headline in found],
        header=tables.HEADLINE_HEADER,
        numeric=("n", "target"),
    )
    unclear = [
        f"{row.workload.name} ({group.label})"
        for group in record.groups
        if "limits" not in group.name
        for row in rows(group)
        if row.versus is not None and not row.separated
    ]
    rest = (
        "Not separated from their reference, given the noise floor: " + "; ".join(unclear) + "."
        if unclear
        else "Every other case is separated from its reference."
    )
    return f"## What follows\n\n{table}\n\n{rest}"


def _limit_sizes(record: Record) -> str:
    """Name the sides of the matrix products that shares are of."""
    sizes = {
        (work.precision, work.threads, work.size)
        for group in record.groups
        for case in group.cases
        if (work := case.workload).kind == "gemm" and work.name.startswith(LIMIT_PREFIX)
    }
    return "; ".join(
        f"{precision}{f', {threads} thread' if threads else ''}: {size:,}"
        for precision, threads, size in sorted(sizes, key=str)
    )


def limits(record: Record) -> str:
    """State the limits before anything is compared with them."""
    found = record.groups_of("limits")
    if not found:
        return ""
    body = markdown_table(
        [tables.limit_row(case) for group in found for case in group.cases],
        header=tables.LIMIT_HEADER,
        numeric=tables.LIMIT_HEADER[1:],
    )
    return (
        "## The limits of this machine\n\nOne matrix product of each format and the copy that no "
        "cache holds were timed again inside each group below: a share compares blocks that lie "
        "seconds apart, not this table. The product's side: "
        + (_limit_sizes(record) or "not timed")
        + ". It is the one that came out fastest in a short trial of the run; in the first "
        "records it was fixed beforehand. Whole loops have no memory limit, since their bytes are "
        "not counted, nor has ONNX Runtime, which fuses its operators.\n\n" + body
    )
