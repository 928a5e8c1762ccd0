"""Rows -> Markdown: each section of a report, plain words before its table."""

from __future__ import annotations

from bench.analysis.key_figures import bare_loop
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.summary import COMPUTE, noise_floor, rows, shares
from bench.reporting import rounding, tables
from bench.workloads.controls import CONVOLUTIONS, WHOLE_STEP
from mnist_core.runtime.formatting import markdown_table


def _picture(name: str, says: str, pictures: list[str]) -> str:
    return f"![{says}]({name})" if name in pictures else ""


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _after(group: GroupRecord, word: str) -> str:
    """Return what tells a group from its like, the words after `word`, as a heading."""
    return group.name.split(f"{word}, ")[-1].capitalize().replace("1024", "1,024")


def _comparison(group: GroupRecord, heading: str) -> str:
    found = rows(group)
    header = tables.row_header(found)
    body = markdown_table(
        [tables.row(row, header) for row in found],
        header=header,
        numeric=tables.numeric(header),
    )
    return _join(f"### {heading}", body, tables.notes(found, noise_floor(group)))


def training(record: Record, pictures: list[str]) -> str:
    """Report the training steps."""
    groups = record.groups_of("training step")
    if not groups:
        return ""
    return _join(
        "## Training step\n\nOne call of `mnist_core.training.step.training_step` with Adam on a "
        "batch that is ready. The ratio is to the seed's own step on the same batch.",
        _picture("training.png", "Images per second of a training step, by form", pictures),
        _picture("roofline.png", "Roofline: arithmetic intensity and speed", pictures),
        *(_join(_comparison(group, _after(group, "step")), _alone(group)) for group in groups),
    )


def _alone(group: GroupRecord) -> str:
    """Say how near the limit a step's convolutions come with nothing between them."""
    case = group.case(CONVOLUTIONS)
    share = shares(case, group).get(COMPUTE) if case is not None else None
    if share is None:
        return ""
    return (
        "A float32 step's convolutions alone, forward and backward with nothing between them, "
        f"reach {rounding.percent_with_interval(share)} of the arithmetic limit (n = "
        f"{share.count}): no code around them brings a step nearer."
    )


def loop(record: Record, pictures: list[str]) -> str:
    """Report the whole loops."""
    groups = record.groups_of("whole loop")
    if not groups:
        return ""
    return _join(
        "## Whole loop\n\n`mnist_core.training.loop.train`, data included, beside "
        f"{_bare(groups[0])}the loop that a user would write from the seed: torchvision "
        "transforms image by image, `DataLoader`, `nn.NLLLoss`, Adam, in a process of its own in "
        "which nothing of "
        "ours is set up. Starting its workers is not counted. A datum of ours is a run of "
        f"{_loop_steps(groups[0])} steps that evaluates one image and writes no checkpoint. What "
        "a run does once weighs the more, the fewer they are: an epoch of MNIST has 859.",
        _picture("loop.png", "Images per second of whole loops", pictures),
        *(_comparison(group, "Batch 64") for group in groups),
    )


def _bare(group: GroupRecord) -> str:
    """Say what the loop without the harness is."""
    found = bare_loop(group)
    if found is None:
        return ""
    if found.workload.name.startswith("bare loop"):
        return (
            "a bare loop (a network and an optimizer, then steps on batches prepared before) and "
            "beside "
        )
    return "its bare steps on prepared batches, with a network built before, and beside "


def _loop_steps(group: GroupRecord) -> str:
    """Return the steps of a run of ours, the same for all of them."""
    works = {(case.images, case.workload.batch_size) for case in group.cases if _is_ours(case)}
    return " or ".join(f"{images // size:,}" for images, size in sorted(works))


def _is_ours(case: CaseRecord) -> bool:
    return case.workload.kind == "training-loop"


def _ahead_of_time(groups: list[GroupRecord]) -> str:
    """Say what is compiled ahead of time, where it was timed."""
    if not any(case.workload.mode == "ahead-of-time" for g in groups for case in g.cases):
        return ""
    return (
        " Compiled ahead of time is a library that AOTInductor compiled for one thread: its own "
        "loops run on one, convolutions on those of the call."
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
    groups = record.groups_of("latency")
    if not groups:
        return ""
    parts = [
        "## Inference: latency of one image\n\nEach datum is one call. Percentiles are of all "
        "calls; their intervals allow for calls of a block being alike. The ratio is Hodges and "
        "Lehmann's centre of the blocks' ratios, each of two medians, to the seed's model called "
        "as the seed writes it: `model(x)`, autograd on. Where blocks lie apart it is not the "
        "quotient of the two p50." + _ahead_of_time(groups) + _onnx_runtime(groups, record),
        _picture("latency.png", "Latency of one image, by form", pictures),
    ]
    for group in groups:
        found = rows(group)
        header = tables.latency_header(found)
        body = markdown_table(
            [tables.latency_row(row, _case(group, row.workload.name), header) for row in found],
            header=header,
            numeric=tables.numeric(header),
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
    groups = record.groups_of("throughput")
    if not groups:
        return ""
    return _join(
        "## Inference: throughput\n\nThe mean of calls in a row, on all threads unless one is "
        "named. Not every form is timed at every size: a run is to stay under five minutes. The "
        "seed's model is called eagerly, in contiguous memory, autograd on; the others in "
        "inference mode." + _onnx_runtime(groups, record),
        _picture("throughput.png", "Images per second of inference, by batch size", pictures),
        *(_comparison(group, _after(group, "throughput")) for group in groups),
    )


def optimizers(record: Record) -> str:
    """Report what each optimizer's own step costs."""
    groups = record.groups_of("optimizer step")
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
    groups = record.groups_of("data,")
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
