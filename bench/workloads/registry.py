"""The cases of the suite, by group.

The cases of a group are compared with one another, so they are timed interleaved. Nothing here
imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.workloads.workload import DEVICES, GEMM_SIZES, Device, Kind, Workload
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
        forms: list[dict[str, Any]] = [
            {"name": "seed's step, float32", "mode": "seed", "layout": "contiguous"},
            {"name": "float32", "twin": True},
            {"name": "float32, contiguous", "layout": "contiguous"},
            {"name": "bfloat16", "precision": "bfloat16"},
            {"name": "bfloat16, contiguous", "precision": "bfloat16", "layout": "contiguous"},
        ]
        # Compiling takes seconds of a run. On the CPU it was slower than eager in float32 at 64
        # and 1,024, and in bfloat16 at 1,024, on both machines that it was timed on.
        if batch == 64 or (batch == 1024 and device == "cuda"):
            forms += [{"name": "float32, compiled", "mode": "compiled"}]
        if batch == 1024 and device == "cuda":
            forms += [{"name": "bfloat16, compiled", "mode": "compiled", "precision": "bfloat16"}]
        if device == "cuda":
            forms += [{"name": "TF32", "precision": "tf32"}, *map(_captured, _PRECISIONS)]
        for form in forms:
            yield Workload(
                group=group, kind="training-step", device=device, batch_size=batch, **form
            )


def _optimizers(device: Device) -> Iterable[Workload]:
    yield Workload(
        group=f"{device}: optimizer step",
        name="seed's Adam (the library's defaults)",
        kind="optimizer-step",
        device=device,
        mode="seed",
        layout="contiguous",
    )
    for name, spec in OPTIMIZERS.items():
        yield Workload(
            group=f"{device}: optimizer step",
            name=spec.label,
            kind="optimizer-step",
            device=device,
            optimizer=name,
            twin=name == "adam",
        )


def _loop(device: Device) -> Iterable[Workload]:
    group = f"{device}: whole loop, batch 64"
    for workers in DATA_WORKERS:
        yield Workload(
            group=group,
            name=f"seed's recipe, {_workers(workers)}",
            kind="seed-loop",
            device=device,
            mode="seed",
            layout="contiguous",
            augment=True,
            workers=workers,
        )
    yield Workload(
        group=group,
        name="bare loop, batches prepared",
        kind="training-loop",
        device=device,
        mode="prepared",
    )
    yield Workload(
        group=group, name="mnist_core, no augmentation", kind="training-loop", device=device
    )
    yield Workload(
        group=group,
        name="mnist_core, augmentation",
        kind="training-loop",
        device=device,
        augment=True,
        twin=True,
    )
    yield Workload(
        group=group,
        name="bfloat16, augmentation",
        kind="training-loop",
        device=device,
        precision="bfloat16",
        augment=True,
    )


def _workers(count: int) -> str:
    return f"{count} workers" if count else "no worker"


_NAIVE: dict[str, Any] = {
    "name": "seed's model, called naively",
    "mode": "naive",
    "layout": "contiguous",
}
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


def _of_another_kind(device: Device) -> list[dict[str, Any]]:
    """Return the forms of inference that one of the devices has not."""
    if device == "cpu":  # its build for CUDA is another package
        return [_ONNX_RUNTIME]
    return [_captured("float32"), _captured("bfloat16")]


def _thread_counts(device: Device) -> tuple[int | None, ...]:
    """Return how many threads inference is timed on; None: all."""
    return (1, None) if device == "cpu" else (None,)


def _latency(device: Device) -> Iterable[Workload]:
    for threads in _thread_counts(device):
        how = "" if device == "cuda" else ", one thread" if threads else ", all threads"
        for form in (
            _NAIVE,
            {"name": "inference mode, contiguous", "layout": "contiguous"},
            {"name": "inference mode, channels-last", "twin": True},
            _COMPILED,
            _BFLOAT16,
            _AHEAD_OF_TIME,
            *_of_another_kind(device),
        ):
            yield Workload(
                group=f"{device}: inference latency, batch 1{how}",
                kind="inference",
                device=device,
                batch_size=1,
                threads=threads,
                **form,
            )


def _throughput(device: Device) -> Iterable[Workload]:
    for threads in _thread_counts(device):
        for batch in INFERENCE_BATCHES[threads]:
            how = ", one thread" if threads else ""
            for form in (
                _NAIVE,
                {"name": "channels-last", "twin": True},
                _COMPILED,
                _BFLOAT16,
                *_of_another_kind(device),
            ):
                yield Workload(
                    group=f"{device}: inference throughput, batch {batch}{how}",
                    kind="inference",
                    device=device,
                    batch_size=batch,
                    threads=threads,
                    **form,
                )


def _data() -> Iterable[Workload]:
    for augment in (False, True):
        group = f"cpu: data, {'augmented' if augment else 'not augmented'}"
        for workers in DATA_WORKERS:
            yield Workload(
                group=group,
                name=f"torchvision per image, {_workers(workers)}",
                kind="data",
                mode="per-image",
                augment=augment,
                workers=workers,
            )
        yield Workload(
            group=group,
            name="batched tensors",
            kind="data",
            mode="batched",
            augment=augment,
            twin=True,
        )


def _limits(device: Device) -> Iterable[Workload]:
    precisions = ("float32", "bfloat16") if device == "cpu" else ("float32", "tf32", "bfloat16")
    for precision in precisions:
        for size in GEMM_SIZES[device]:
            yield Workload(
                group=f"{device}: limits",
                name=f"GEMM {precision}, {size}",
                kind="gemm",
                device=device,
                precision=precision,  # type: ignore[arg-type]
                size=size,
            )
    for mebibytes in (4, 128) if device == "cpu" else (1024,):
        yield Workload(
            group=f"{device}: limits",
            name=f"copy, {mebibytes} MiB",
            kind="copy",
            device=device,
            size=mebibytes,
        )


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
