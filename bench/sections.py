"""Rows -> Markdown: each section of a report, plain words before its table."""

from __future__ import annotations

from collections.abc import Iterable

from bench import rounding, tables
from bench.companions import LIMIT_PREFIX, WHOLE_STEP
from bench.headlines import Headline
from bench.record import CaseRecord, GroupRecord, Record
from bench.summary import (
    floor_width,
    is_companion,
    noise_floor,
    reference,
    rows,
)
from bench.workloads import DEVICES
from mnist_core.report import duration, markdown_table


def _picture(name: str, says: str, pictures: list[str]) -> str:
    return f"![{says}]({name})" if name in pictures else ""


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _groups(record: Record, word: str) -> list[GroupRecord]:
    return [group for group in record.groups if word in group.name]


def _after(group: GroupRecord, word: str) -> str:
    """Return what tells a group from its like, the words after `word`, as a heading."""
    return group.name.split(f"{word}, ")[-1].capitalize().replace("1024", "1,024")


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
        f"{row.workload.name} ({group.name.split(': ', 1)[1]})"
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
    found = _groups(record, "limits")
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


def _comparison(group: GroupRecord, heading: str) -> str:
    found = rows(group)
    header = tables.row_header(found)
    body = markdown_table(
        [tables.row(row, header) for row in found],
        header=header,
        numeric=[name for name in header if name not in ("form", "limit", "blocks")],
    )
    return _join(f"### {heading}", body, tables.notes(found, noise_floor(group)))


def training(record: Record, pictures: list[str]) -> str:
    """Report the training steps."""
    groups = _groups(record, "training step")
    if not groups:
        return ""
    return _join(
        "## Training step\n\nOne call of `mnist_core.step.training_step` with Adam on a batch "
        "that is ready. The ratio is to the seed's own step on the same batch.",
        _picture("training.png", "Images per second of a training step, by form", pictures),
        _picture("roofline.png", "Roofline: arithmetic intensity and speed", pictures),
        *(_comparison(group, _after(group, "step")) for group in groups),
    )


def loop(record: Record, pictures: list[str]) -> str:
    """Report the whole loops."""
    groups = _groups(record, "whole loop")
    if not groups:
        return ""
    return _join(
        "## Whole loop\n\n`mnist_core.train.train`, data included, beside its bare steps on "
        "prepared batches and beside the loop that a user would write from the seed: torchvision "
        "transforms image by image, `DataLoader`, `nn.NLLLoss`, Adam, in a process of its own in "
        "which nothing of ours is set up. Starting its workers is not counted.",
        _picture("loop.png", "Images per second of whole loops", pictures),
        *(_comparison(group, "Batch 64") for group in groups),
    )


def _onnx_runtime(groups: list[GroupRecord], record: Record) -> str:
    """Say how ONNX Runtime was timed, where it was."""
    if not any(case.workload.mode == "onnxruntime" for group in groups for case in group.cases):
        return ""
    version = record.environment["packages"]["onnxruntime"]
    return (
        f" ONNX Runtime {version} runs the exported graph, with the same weights and threads, in "
        "a process of its own that has no torch; that process's clock times it, in turn with the "
        "others, once its answers were seen to be torch's."
    )


def latency(record: Record, pictures: list[str]) -> str:
    """Report the latency of one image."""
    groups = _groups(record, "latency")
    if not groups:
        return ""
    parts = [
        "## Inference: latency of one image\n\nEach datum is one call. Percentiles are of all "
        "calls; their intervals allow for calls of a block being alike. The ratio is Hodges and "
        "Lehmann's centre of the blocks' ratios, each of two medians, to the seed's model called "
        "as the seed writes it: `model(x)`, autograd on. Where blocks lie apart it is not the "
        "quotient of the two p50." + _onnx_runtime(groups, record),
        _picture("latency.png", "Latency of one image, by form", pictures),
    ]
    for group in groups:
        found = rows(group)
        header = tables.latency_header(found)
        body = markdown_table(
            [tables.latency_row(row, _case(group, row.workload.name), header) for row in found],
            header=header,
            numeric=tables.LATENCY_HEADER[1:-1],
        )
        parts += [
            f"### {_after(group, 'latency')}",
            body,
            tables.notes(found, noise_floor(group)),
        ]
    return _join(*parts)


def _case(group: GroupRecord, name: str) -> CaseRecord:
    found = group.case(name)
    assert found is not None
    return found


def throughput(record: Record, pictures: list[str]) -> str:
    """Report the throughput of inference."""
    groups = _groups(record, "throughput")
    if not groups:
        return ""
    return _join(
        "## Inference: throughput\n\nThe mean of calls in a row, on all threads unless one is "
        "named." + _onnx_runtime(groups, record),
        _picture("throughput.png", "Images per second of inference, by batch size", pictures),
        *(_comparison(group, _after(group, "throughput")) for group in groups),
    )


def optimizers(record: Record) -> str:
    """Report what each optimizer's own step costs."""
    groups = _groups(record, "optimizer step")
    if not groups:
        return ""
    measured = any(group.case(WHOLE_STEP) for group in groups)
    return _join(
        "## Optimizers\n\n`optimizer.step()` alone, on the network's ten tensors. The ratio is of "
        "speeds, to the seed's Adam. The limit is the copy that no cache holds; these tensors are "
        "small enough for one, so that a share says how far fixed costs outweigh the traffic."
        + (
            " Of a training step: over a whole float32 step with Adam at batch 64, timed in the "
            "same blocks."
            if measured
            else ""
        ),
        *(_comparison(group, "Each step by itself") for group in groups),
    )


def data(record: Record) -> str:
    """Report the data pipelines."""
    groups = _groups(record, "data,")
    if not groups:
        return ""
    return _join(
        "## Data\n\nMaking batches of 64 and nothing else. The ratio is to the fastest of the "
        "per-image pipelines.",
        *(_comparison(group, _after(group, "data")) for group in groups),
    )


def _profiled_steps(record: Record) -> str:
    """Say how many steps each share stands on; older records hold five that cut a preparation."""
    if any("steps" not in profile for profile in record.profiles):
        return (
            " n is 5 steps: at batch 64 they held one preparation of 8 batches whole, so that the "
            "share of data there is about 8/5 of a step's."
        )
    return " n is the number of profiled steps: each preparation of batches lies in it whole."


def profiles(record: Record, pictures: list[str]) -> str:
    """Report where the time goes."""
    if not record.profiles:
        return ""
    traces = record.trace_folder or "runs/bench/traces"
    parts = [
        "## Where the time goes\n\ntorch.profiler in a process of its own, after all timing: "
        "shares of a profiled step, which is slower than a timed one. No time is read from it. "
        "Training is with augmentation, as `mnist_core` trains unless told otherwise."
        + _profiled_steps(record),
        _picture("profile.png", "Split of a step: data, forward, backward, optimizer", pictures),
        markdown_table(
            [tables.split_row(profile) for profile in record.profiles],
            header=tables.SPLIT_HEADER,
            numeric=tables.SPLIT_HEADER[1:],
        ),
    ]
    for profile in record.profiles:
        parts += [
            f"### {profile['scenario']['name'].capitalize()}: operators by self time",
            markdown_table(
                tables.operator_rows(profile),
                header=tables.OPERATOR_HEADER,
                numeric=tables.OPERATOR_HEADER[1:],
            ),
        ]
    parts.append(
        "The traces of the run are not committed. Where it ran, two commands open them (the first "
        "needs `torch-tb-profiler`; its pages load scripts from the Internet, Perfetto's run in "
        "the browser):\n\n"
        f"```bash\ntensorboard --logdir {traces}\n"
        f"python -m webbrowser https://ui.perfetto.dev  # then open {traces}/*/*.json\n```"
    )
    return _join(*parts)


def trust(record: Record) -> str:
    """Report the noise floor, the host's state and what was not steady."""
    floors = []
    for group in record.groups:
        floor = noise_floor(group)
        if floor is not None:
            floors.append(
                [
                    group.name.split(": ", 1)[1],
                    rounding.with_interval(floor),
                    f"± {100 * (2.718281828459045 ** floor_width(floor) - 1):.1f} %",
                    str(floor.count),
                ]
            )
    restless = [
        f"{case.workload.name} ({group.name.split(': ', 1)[1]})"
        for group in record.groups
        for case in group.cases
        if not case.steady
    ]
    moved = [
        f"{row.workload.name} ({group.name.split(': ', 1)[1]}): {row.restless}"
        for group in record.groups
        for row in rows(group)
        if row.restless
    ]
    return _join(
        "## How far to trust it",
        "Every interval here is within this run: it tells what other seconds of this run would "
        "show. Another run of the same code differs by more, and neither the intervals nor the "
        f"noise floor know of it: see `results/bench/noise/{record.device}`, runs of the same "
        "code made at different times.",
        "The same code as two cases, interleaved with the others. A difference inside this floor "
        "is not called one above.\n\n"
        + markdown_table(
            floors,
            header=("group", "the same code, ratio", "floor", "n"),
            numeric=("the same code, ratio", "floor", "n"),
        )
        if floors
        else "",
        tables.host_text(record),
        "Before its data every case was called until three windows in a row agreed within 5 %, or "
        "for 1.5 s"
        + (f"; not steady by then: {'; '.join(restless)}." if restless else "; all did agree.")
        + " That tells of the warm-up alone. "
        + (
            f"Of the blocks that the figures come from, these were not alike: {'; '.join(moved)}."
            if moved
            else "The blocks that the figures come from were alike: none in two modes, none "
            "drifting by more than 5 %, none with a spread over 10 %."
        ),
        "References by group: "
        + "; ".join(
            f"{group.name.split(': ', 1)[1]}: {reference(group).workload.name}"
            for group in record.groups
            if any(not is_companion(case) for case in group.cases)
        )
        + ".",
    )


def again(record: Record) -> str:
    """Print the command that makes the report again."""
    return (
        "## Again\n\n"
        f"```bash\n{record.command}\npython -m bench.report results/bench/…  # from the record\n"
        "python -m bench.compare OLD NEW  # two records, or two git revisions\n```"
    )
