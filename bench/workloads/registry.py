"""The cases of the suite, by group.

The cases of a group are compared with one another, so they are timed interleaved. Nothing here
imports torch.
"""

from collections.abc import Iterator
from typing import Any

from bench.workloads.workload import DEVICES, GEMM_SIZES, Device, GroupKind, Kind, Workload
from mnist_core.optim.registry import OPTIMIZERS

Fields = dict[str, Any]
"""Those of a workload in which it differs from the others of its group."""
TRAINING_BATCHES = (64, 256, 1024)
INFERENCE_BATCHES = {None: (1, 16, 256, 1024), 1: (1, 16, 256)}
"""By threads (None: all). On one thread 1,024 images would take half a minute of a run."""
DATA_WORKERS = {0: "no worker", 2: "2 workers"}
"""Of the DataLoaders. One worker was slower than either on two cores, wherever it was timed."""

_CONTIGUOUS: Fields = {"layout": "contiguous"}
_PLAIN: Fields = {"mode": "plain", **_CONTIGUOUS}
_BFLOAT16: Fields = {"precision": "bfloat16"}
_TF32: Fields = {"precision": "tf32"}
_COMPILED: Fields = {"mode": "compiled"}
_CAPTURED: Fields = {"mode": "captured"}
_REPEATED: Fields = {"in_a_a_test": True}


def _group(
    name: str, question: GroupKind, variants: dict[str, Fields], *, device: Device, **common: Any
) -> list[Workload]:
    """Return the cases of a group, from what they have in common and their variants by name."""
    shared = {"group_kind": question, "kind": question, "device": device, **common}
    return [
        Workload(**{"group": f"{device}: {name}", "name": variant, **shared, **fields})
        for variant, fields in variants.items()
    ]


def _training(device: Device) -> Iterator[Workload]:
    for batch in TRAINING_BATCHES:
        variants = {
            "plain PyTorch step": _PLAIN,
            "float32": _REPEATED,
            "float32, contiguous": _CONTIGUOUS,
            "bfloat16": _BFLOAT16,
            "bfloat16, contiguous": {**_BFLOAT16, **_CONTIGUOUS},
        }
        # Compiling takes seconds of a run. On the CPU it was slower than eager in float32 at 64
        # and 1,024, and in bfloat16 at 1,024, on both machines that it was timed on.
        if batch == 64 or (batch == 1024 and device == "cuda"):
            variants["float32, compiled"] = _COMPILED
        if batch == 1024 and device == "cuda":
            variants["bfloat16, compiled"] = {**_COMPILED, **_BFLOAT16}
        if device == "cuda":
            variants["TF32"] = _TF32
            variants["float32, CUDA graph"] = _CAPTURED
            variants["TF32, CUDA graph"] = {**_CAPTURED, **_TF32}
            variants["bfloat16, CUDA graph"] = {**_CAPTURED, **_BFLOAT16}
        name = f"training step, batch {batch}"
        yield from _group(name, "training-step", variants, device=device, batch_size=batch)


def _optimizers(device: Device) -> list[Workload]:
    variants = {
        spec.label: {"optimizer": name, "in_a_a_test": name == "adam"}
        for name, spec in OPTIMIZERS.items()
    }
    variants = {"torch.optim.Adam, defaults": _PLAIN, **variants}
    return _group("optimizer step", "optimizer-step", variants, device=device)


def _loop(device: Device) -> list[Workload]:
    augmented: Fields = {"augment": True}
    plain: Fields = {**_PLAIN, **augmented, "kind": "plain-loop"}
    variants = {
        f"plain PyTorch loop, {text}": {**plain, "workers": workers}
        for workers, text in DATA_WORKERS.items()
    }
    variants["bare loop, batches prepared"] = {"mode": "prepared"}
    variants["mnist_core, no augmentation"] = {}
    variants["mnist_core, augmentation"] = {**augmented, **_REPEATED}
    variants["bfloat16, augmentation"] = {**augmented, **_BFLOAT16}
    name = "whole loop, batch 64"
    return _group(name, "loop", variants, device=device, kind="training-loop")


def _inference(device: Device) -> Iterator[Workload]:
    """Yield latencies of one image, then throughputs by batch size."""
    plain = {"plain PyTorch call": _PLAIN}
    usual = {"compiled": _COMPILED, "bfloat16": _BFLOAT16}
    ahead = {"compiled ahead of time": {"mode": "ahead-of-time", **_CONTIGUOUS}}
    of_device: dict[str, Fields] = {
        "float32, CUDA graph": _CAPTURED,
        "bfloat16, CUDA graph": {**_CAPTURED, **_BFLOAT16},
    }
    if device == "cpu":  # ONNX Runtime's build for CUDA is another package
        of_device = {"ONNX Runtime": {"mode": "onnxruntime", **_CONTIGUOUS}}
    layouts = {
        "inference mode, contiguous": _CONTIGUOUS,
        "inference mode, channels-last": _REPEATED,
    }
    thread_counts = (1, None) if device == "cpu" else (None,)
    variants = {**plain, **layouts, **usual, **ahead, **of_device}
    for threads in thread_counts:
        how = "" if device == "cuda" else ", one thread" if threads else ", all threads"
        name = f"inference latency, batch 1{how}"
        work: Fields = {"device": device, "threads": threads, "batch_size": 1}
        yield from _group(name, "inference", variants, metric="latency", **work)
    variants = {**plain, "channels-last": _REPEATED, **usual, **of_device}
    for threads in thread_counts:
        how = ", one thread" if threads else ""
        for batch in INFERENCE_BATCHES[threads]:
            name = f"inference throughput, batch {batch}{how}"
            work = {"device": device, "threads": threads, "batch_size": batch}
            yield from _group(name, "inference", variants, **work)


def _data() -> Iterator[Workload]:
    variants: dict[str, Fields] = {
        f"torchvision per image, {text}": {"mode": "plain", "workers": workers}
        for workers, text in DATA_WORKERS.items()
    }
    variants["batched tensors"] = {"mode": "batched", **_REPEATED}
    for augment in (False, True):
        name = f"data, {'augmented' if augment else 'not augmented'}"
        yield from _group(name, "data", variants, device="cpu", augment=augment)


def _limits(device: Device) -> list[Workload]:
    precisions = ("float32", "bfloat16") if device == "cpu" else ("float32", "tf32", "bfloat16")
    variants: dict[str, Fields] = {
        f"GEMM {precision}, {size}": {"kind": "gemm", "precision": precision, "size": size}
        for precision in precisions
        for size in GEMM_SIZES[device]
    }
    for size in (4, 128) if device == "cpu" else (1024,):
        variants[f"copy, {size} MiB"] = {"kind": "copy", "size": size}
    return _group("limits", "limits", variants, device=device)


def _registry() -> Iterator[Workload]:
    for device in DEVICES:
        for cases in (_limits, _training, _optimizers, _loop, _inference):
            yield from cases(device)
    yield from _data()


WORKLOADS: tuple[Workload, ...] = tuple(_registry())


def group_of(name: str) -> list[Workload]:
    """Return the cases of a group, in order."""
    return [workload for workload in WORKLOADS if workload.group == name]


def of_kind(*kinds: Kind) -> list[Workload]:
    """Return the workloads of some kinds, in order."""
    return [workload for workload in WORKLOADS if workload.kind in kinds]
