"""The cases of the suite, by group.

The cases of a group are compared with one another, so they are timed interleaved. Nothing here
imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.workloads.workload import DEVICES, GEMM_SIZES, Device, Kind, Metric, Workload
from mnist_core.optim.registry import OPTIMIZERS

TRAINING_BATCHES = (64, 256, 1024)
INFERENCE_BATCHES = {None: (1, 16, 256, 1024), 1: (1, 16, 256)}
"""By threads (None: all). On one thread 1,024 images would take half a minute of a run."""
DATA_WORKERS = (0, 2)
"""Of the DataLoaders. One worker was slower than either on two cores, wherever it was timed."""

_PRECISIONS = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16"}


def _captured(precision: str) -> dict[str, Any]:
    name = f"{_PRECISIONS[precision]}, CUDA graph"
    return {"name": name, "precision": precision, "mode": "captured"}


def _training(device: Device) -> Iterable[Workload]:
    for batch in TRAINING_BATCHES:
        group = f"{device}: training step, batch {batch}"
        variants: list[dict[str, Any]] = [
            {"name": "plain PyTorch step", "mode": "plain", "layout": "contiguous"},
            {"name": "float32", "in_a_a_test": True},
            {"name": "float32, contiguous", "layout": "contiguous"},
            {"name": "bfloat16", "precision": "bfloat16"},
            {"name": "bfloat16, contiguous", "precision": "bfloat16", "layout": "contiguous"},
        ]
        # Compiling takes seconds of a run. On the CPU it was slower than eager in float32 at 64
        # and 1,024, and in bfloat16 at 1,024, on both machines that it was timed on.
        if batch == 64 or (batch == 1024 and device == "cuda"):
            variants += [{"name": "float32, compiled", "mode": "compiled"}]
        if batch == 1024 and device == "cuda":
            variants += [
                {"name": "bfloat16, compiled", "mode": "compiled", "precision": "bfloat16"}
            ]
        if device == "cuda":
            variants += [{"name": "TF32", "precision": "tf32"}, *map(_captured, _PRECISIONS)]
        for variant in variants:
            yield Workload(
                group=group,
                group_kind="training-step",
                kind="training-step",
                device=device,
                batch_size=batch,
                **variant,
            )


def _optimizers(device: Device) -> Iterable[Workload]:
    variants: list[dict[str, Any]] = [
        {"name": "torch.optim.Adam, defaults", "mode": "plain", "layout": "contiguous"},
        *(
            {"name": spec.label, "optimizer": name, "in_a_a_test": name == "adam"}
            for name, spec in OPTIMIZERS.items()
        ),
    ]
    for variant in variants:
        yield Workload(
            group=f"{device}: optimizer step",
            group_kind="optimizer-step",
            kind="optimizer-step",
            device=device,
            **variant,
        )


def _loop(device: Device) -> Iterable[Workload]:
    variants: list[dict[str, Any]] = [
        *(
            {
                "name": f"plain PyTorch loop, {_workers(workers)}",
                "kind": "plain-loop",
                "mode": "plain",
                "layout": "contiguous",
                "augment": True,
                "workers": workers,
            }
            for workers in DATA_WORKERS
        ),
        {"name": "bare loop, batches prepared", "mode": "prepared"},
        {"name": "mnist_core, no augmentation"},
        {"name": "mnist_core, augmentation", "augment": True, "in_a_a_test": True},
        {"name": "bfloat16, augmentation", "precision": "bfloat16", "augment": True},
    ]
    for variant in variants:
        yield Workload(
            group=f"{device}: whole loop, batch 64",
            group_kind="loop",
            device=device,
            **{"kind": "training-loop", **variant},
        )


def _workers(count: int) -> str:
    return f"{count} workers" if count else "no worker"


_PLAIN: dict[str, Any] = {"name": "plain PyTorch call", "mode": "plain", "layout": "contiguous"}
_COMPILED: dict[str, Any] = {"name": "compiled", "mode": "compiled"}
_BFLOAT16: dict[str, Any] = {"name": "bfloat16", "precision": "bfloat16"}
_AHEAD_OF_TIME: dict[str, Any] = {
    "name": "compiled ahead of time",
    "mode": "ahead-of-time",
    "layout": "contiguous",
}
_ONNX_RUNTIME: dict[str, Any] = {
    "name": "ONNX Runtime",
    "mode": "onnxruntime",
    "layout": "contiguous",
}


def _variants_of_one_device(device: Device) -> list[dict[str, Any]]:
    """Return the variants of inference that the other device does not have."""
    if device == "cpu":  # ONNX Runtime's build for CUDA is another package
        return [_ONNX_RUNTIME]
    return [_captured("float32"), _captured("bfloat16")]


def _thread_counts(device: Device) -> tuple[int | None, ...]:
    """Return how many threads inference is timed on; None: all."""
    return (1, None) if device == "cpu" else (None,)


def _latency(device: Device) -> Iterable[Workload]:
    for threads in _thread_counts(device):
        how = "" if device == "cuda" else ", one thread" if threads else ", all threads"
        for variant in (
            _PLAIN,
            {"name": "inference mode, contiguous", "layout": "contiguous"},
            {"name": "inference mode, channels-last", "in_a_a_test": True},
            _COMPILED,
            _BFLOAT16,
            _AHEAD_OF_TIME,
            *_variants_of_one_device(device),
        ):
            group = f"{device}: inference latency, batch 1{how}"
            yield _inference(group, device, "latency", variant, batch_size=1, threads=threads)


def _throughput(device: Device) -> Iterable[Workload]:
    for threads in _thread_counts(device):
        for batch in INFERENCE_BATCHES[threads]:
            how = ", one thread" if threads else ""
            for variant in (
                _PLAIN,
                {"name": "channels-last", "in_a_a_test": True},
                _COMPILED,
                _BFLOAT16,
                *_variants_of_one_device(device),
            ):
                group = f"{device}: inference throughput, batch {batch}{how}"
                yield _inference(
                    group, device, "throughput", variant, batch_size=batch, threads=threads
                )


def _inference(
    group: str, device: Device, metric: Metric, variant: dict[str, Any], **more: Any
) -> Workload:
    return Workload(
        group=group,
        group_kind="inference",
        kind="inference",
        metric=metric,
        device=device,
        **variant,
        **more,
    )


def _data() -> Iterable[Workload]:
    variants: list[dict[str, Any]] = [
        *(
            {
                "name": f"torchvision per image, {_workers(workers)}",
                "mode": "plain",
                "workers": workers,
            }
            for workers in DATA_WORKERS
        ),
        {"name": "batched tensors", "mode": "batched", "in_a_a_test": True},
    ]
    for augment in (False, True):
        group = f"cpu: data, {'augmented' if augment else 'not augmented'}"
        for variant in variants:
            yield Workload(group=group, group_kind="data", kind="data", augment=augment, **variant)


def _limits(device: Device) -> Iterable[Workload]:
    precisions = ("float32", "bfloat16") if device == "cpu" else ("float32", "tf32", "bfloat16")
    mebibytes = (4, 128) if device == "cpu" else (1024,)
    variants: list[dict[str, Any]] = [
        *(
            {
                "name": f"GEMM {precision}, {size}",
                "kind": "gemm",
                "precision": precision,
                "size": size,
            }
            for precision in precisions
            for size in GEMM_SIZES[device]
        ),
        *({"name": f"copy, {size} MiB", "kind": "copy", "size": size} for size in mebibytes),
    ]
    for variant in variants:
        yield Workload(group=f"{device}: limits", group_kind="limits", device=device, **variant)


def _registry() -> tuple[Workload, ...]:
    found: list[Workload] = []
    for device in DEVICES:
        found += _limits(device)
        found += _training(device)
        found += _optimizers(device)
        found += _loop(device)
        found += _latency(device)
        found += _throughput(device)
    found += _data()
    return tuple(found)


WORKLOADS: tuple[Workload, ...] = _registry()


def group_of(name: str) -> list[Workload]:
    """Return the cases of a group, in order."""
    return [workload for workload in WORKLOADS if workload.group == name]


def of_kind(*kinds: Kind) -> list[Workload]:
    """Return the workloads of some kinds, in order."""
    return [workload for workload in WORKLOADS if workload.kind in kinds]
