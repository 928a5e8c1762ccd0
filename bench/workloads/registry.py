"""The cases of the suite, by group.

The cases of a group are compared with one another, so they are timed interleaved. Nothing here
imports torch.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from bench.workloads.workload import DEVICES, GEMM_SIZES, Device, Kind, Workload
from mnist_core.optim.registry import OPTIMIZERS

Variant = dict[str, Any]
"""The fields of a workload in which it differs from the others of its group."""
TRAINING_BATCHES = (64, 256, 1024)
INFERENCE_BATCHES = {None: (1, 16, 256, 1024), 1: (1, 16, 256)}
"""By threads (None: all). On one thread 1,024 images would take half a minute of a run."""
DATA_WORKERS = (0, 2)
"""Of the DataLoaders. One worker was slower than either on two cores, wherever it was timed."""

_PRECISIONS = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16"}
_COMPILED: Variant = {"name": "float32, compiled", "mode": "compiled"}


def _group(name: str, variants: Iterable[Variant], **common: Any) -> list[Workload]:
    """Return the cases of a group, from what they have in common and their variants."""
    return [Workload(**{"group": name, **common, **variant}) for variant in variants]


def _captured(precision: str) -> Variant:
    name = f"{_PRECISIONS[precision]}, CUDA graph"
    return {"name": name, "precision": precision, "mode": "captured"}


def _workers(count: int) -> str:
    return f"{count} workers" if count else "no worker"


def _training(device: Device) -> Iterator[Workload]:
    for batch in TRAINING_BATCHES:
        variants: list[Variant] = [
            {"name": "plain PyTorch step", "mode": "plain", "layout": "contiguous"},
            {"name": "float32", "in_a_a_test": True},
            {"name": "float32, contiguous", "layout": "contiguous"},
            {"name": "bfloat16", "precision": "bfloat16"},
            {"name": "bfloat16, contiguous", "precision": "bfloat16", "layout": "contiguous"},
        ]
        # Compiling takes seconds of a run. On the CPU it was slower than eager in float32 at 64
        # and 1,024, and in bfloat16 at 1,024, on both machines that it was timed on.
        if batch == 64 or (batch == 1024 and device == "cuda"):
            variants.append(_COMPILED)
        if batch == 1024 and device == "cuda":
            variants.append({**_COMPILED, "name": "bfloat16, compiled", "precision": "bfloat16"})
        if device == "cuda":
            variants += [{"name": "TF32", "precision": "tf32"}, *map(_captured, _PRECISIONS)]
        yield from _group(
            f"{device}: training step, batch {batch}",
            variants,
            group_kind="training-step",
            kind="training-step",
            device=device,
            batch_size=batch,
        )


def _optimizers(device: Device) -> list[Workload]:
    plain = {"name": "torch.optim.Adam, defaults", "mode": "plain", "layout": "contiguous"}
    variants = [
        {"name": spec.label, "optimizer": name, "in_a_a_test": name == "adam"}
        for name, spec in OPTIMIZERS.items()
    ]
    return _group(
        f"{device}: optimizer step",
        [plain, *variants],
        group_kind="optimizer-step",
        kind="optimizer-step",
        device=device,
    )


def _loop(device: Device) -> list[Workload]:
    plain = [
        {
            "name": f"plain PyTorch loop, {_workers(workers)}",
            "kind": "plain-loop",
            "mode": "plain",
            "layout": "contiguous",
            "augment": True,
            "workers": workers,
        }
        for workers in DATA_WORKERS
    ]
    variants: list[Variant] = [
        {"name": "bare loop, batches prepared", "mode": "prepared"},
        {"name": "mnist_core, no augmentation"},
        {"name": "mnist_core, augmentation", "augment": True, "in_a_a_test": True},
        {"name": "bfloat16, augmentation", "precision": "bfloat16", "augment": True},
    ]
    return _group(
        f"{device}: whole loop, batch 64",
        [*plain, *variants],
        group_kind="loop",
        kind="training-loop",
        device=device,
    )


def _inference(device: Device) -> Iterator[Workload]:
    """Yield latencies of one image, then throughputs by batch size."""
    plain = {"name": "plain PyTorch call", "mode": "plain", "layout": "contiguous"}
    compiled = {"name": "compiled", "mode": "compiled"}
    bfloat16 = {"name": "bfloat16", "precision": "bfloat16"}
    ahead = {"name": "compiled ahead of time", "mode": "ahead-of-time", "layout": "contiguous"}
    of_device = [_captured("float32"), _captured("bfloat16")]
    if device == "cpu":  # ONNX Runtime's build for CUDA is another package
        of_device = [{"name": "ONNX Runtime", "mode": "onnxruntime", "layout": "contiguous"}]
    contiguous = {"name": "inference mode, contiguous", "layout": "contiguous"}
    channels_last = {"name": "inference mode, channels-last", "in_a_a_test": True}
    common = {"group_kind": "inference", "kind": "inference", "device": device}
    thread_counts = (1, None) if device == "cpu" else (None,)
    for threads in thread_counts:
        how = "" if device == "cuda" else ", one thread" if threads else ", all threads"
        yield from _group(
            f"{device}: inference latency, batch 1{how}",
            [plain, contiguous, channels_last, compiled, bfloat16, ahead, *of_device],
            metric="latency",
            batch_size=1,
            threads=threads,
            **common,
        )
    channels_last = {"name": "channels-last", "in_a_a_test": True}
    for threads in thread_counts:
        for batch in INFERENCE_BATCHES[threads]:
            yield from _group(
                f"{device}: inference throughput, batch {batch}{', one thread' * bool(threads)}",
                [plain, channels_last, compiled, bfloat16, *of_device],
                batch_size=batch,
                threads=threads,
                **common,
            )


def _data() -> Iterator[Workload]:
    plain = [
        {
            "name": f"torchvision per image, {_workers(workers)}",
            "mode": "plain",
            "workers": workers,
        }
        for workers in DATA_WORKERS
    ]
    batched = {"name": "batched tensors", "mode": "batched", "in_a_a_test": True}
    for augment in (False, True):
        yield from _group(
            f"cpu: data, {'augmented' if augment else 'not augmented'}",
            [*plain, batched],
            group_kind="data",
            kind="data",
            augment=augment,
        )


def _limits(device: Device) -> list[Workload]:
    precisions = ("float32", "bfloat16") if device == "cpu" else ("float32", "tf32", "bfloat16")
    products = [
        {"name": f"GEMM {precision}, {size}", "kind": "gemm", "precision": precision, "size": size}
        for precision in precisions
        for size in GEMM_SIZES[device]
    ]
    copies = [
        {"name": f"copy, {size} MiB", "kind": "copy", "size": size}
        for size in ((4, 128) if device == "cpu" else (1024,))
    ]
    return _group(f"{device}: limits", [*products, *copies], group_kind="limits", device=device)


def _registry() -> Iterator[Workload]:
    for device in DEVICES:
        yield from _limits(device)
        yield from _training(device)
        yield from _optimizers(device)
        yield from _loop(device)
        yield from _inference(device)
    yield from _data()


WORKLOADS: tuple[Workload, ...] = tuple(_registry())


def group_of(name: str) -> list[Workload]:
    """Return the cases of a group, in order."""
    return [workload for workload in WORKLOADS if workload.group == name]


def of_kind(*kinds: Kind) -> list[Workload]:
    """Return the workloads of some kinds, in order."""
    return [workload for workload in WORKLOADS if workload.kind in kinds]
