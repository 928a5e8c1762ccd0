"""What is measured: the registry of workloads, frozen, by group.

The cases of a group are compared with one another, so they are timed interleaved; the first one
is what the others are divided by. Nothing here imports torch: names and counts are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from mnist_core.errors import unknown_name
from mnist_core.optimizers import OPTIMIZERS

Kind = Literal[
    "training-step",
    "optimizer-step",
    "training-loop",
    "seed-loop",
    "inference",
    "data",
    "gemm",
    "copy",
]
Device = Literal["cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
TRAINING_BATCHES = (64, 256, 1024)
INFERENCE_BATCHES = (1, 16, 64, 256, 1024)
LOOP_STEPS: dict[Device, int] = {"cpu": 36, "cuda": 859}
"""Steps of one datum of a whole loop; on CUDA a whole epoch, so that capturing the step counts as
it does in a run."""
DATA_WORKERS = (0, 2)
"""Of the DataLoaders. One worker was slower than either on two cores, wherever it was timed."""
GEMM_SIZES: dict[Device, tuple[int, ...]] = {
    "cpu": (256, 512, 1024),
    "cuda": (2048, 4096, 8192),
}
SEED_STEPS = 12
"""Steps of one datum of the seed's recipe, which takes longer over them."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One case: what is done, not how it is timed."""

    group: str
    name: str
    kind: Kind
    device: Device = "cpu"
    batch_size: int = 64
    precision: Literal["float32", "bfloat16", "tf32"] = "float32"
    layout: Literal["channels-last", "contiguous"] = "channels-last"
    mode: Literal[
        "eager",
        "compiled",
        "ahead-of-time",
        "captured",
        "onnxruntime",
        "naive",
        "seed",
        "prepared",
        "batched",
        "per-image",
    ] = "eager"
    """`naive` and `seed` are the seed's code as it is written there."""
    optimizer: str = "adam"
    threads: int | None = None
    """None: all cores."""
    augment: bool = False
    workers: int = 0
    """Of the DataLoader."""
    size: int = 0
    """Side of a matrix, or MiB of a copy."""
    twin: bool = False
    """Whether the group times the case twice, to show its noise floor."""

    @property
    def id(self) -> str:
        """Return the name that pytest's -k and the records know the case by."""
        return f"{self.group}/{self.name}"

    @property
    def latency(self) -> bool:
        """Tell whether single calls are what counts."""
        return self.kind == "inference" and self.batch_size == 1 and "latency" in self.group

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Workload:
        """Build a workload from `to_dict`'s mapping; an unknown key is a `UserError`."""
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("workload key", key, known)
        return cls(**values)


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
        if batch != 256:  # compiling costs seconds of a run; two sizes show the trend
            forms += [{"name": "float32, compiled", "mode": "compiled"}]
        if batch == 1024:
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
        name="bare steps, batches prepared",
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


_LATENCY_FORMS: tuple[dict[str, Any], ...] = (
    {"name": "seed's model, called naively", "mode": "naive", "layout": "contiguous"},
    {"name": "inference mode, contiguous", "layout": "contiguous"},
    {"name": "inference mode, channels-last", "twin": True},
    {"name": "compiled", "mode": "compiled"},
    {"name": "bfloat16", "precision": "bfloat16"},
)
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


def _latency(device: Device) -> Iterable[Workload]:
    for threads in (1, None) if device == "cpu" else (None,):
        forms = list(_LATENCY_FORMS)
        if device == "cuda" or threads:  # compiling takes ten seconds: not for each thread count
            forms.append(_AHEAD_OF_TIME)
        if device == "cpu":  # its build for CUDA is another package
            forms.append(_ONNX_RUNTIME)
        else:
            forms += [_captured("float32"), _captured("bfloat16")]
        how = "" if device == "cuda" else ", one thread" if threads else ", all threads"
        for form in forms:
            yield Workload(
                group=f"{device}: inference latency, batch 1{how}",
                kind="inference",
                device=device,
                batch_size=1,
                threads=threads,
                **form,
            )


def _throughput(device: Device) -> Iterable[Workload]:
    for batch in INFERENCE_BATCHES:
        group = f"{device}: inference throughput, batch {batch}"
        forms: list[dict[str, Any]] = [
            {"name": "seed's model, called naively", "mode": "naive", "layout": "contiguous"},
            {"name": "channels-last", "twin": True},
            {"name": "bfloat16", "precision": "bfloat16"},
        ]
        if batch == 256:
            forms += [
                {"name": "contiguous", "layout": "contiguous"},
                {"name": "compiled", "mode": "compiled"},
            ]
        if device == "cpu":
            forms.append(_ONNX_RUNTIME)
        else:
            forms += [_captured("float32"), _captured("bfloat16")]
        for form in forms:
            yield Workload(group=group, kind="inference", device=device, batch_size=batch, **form)


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
    """Return the cases of a group, in order; the first is what the others are divided by."""
    return [workload for workload in WORKLOADS if workload.group == name]


def of_kind(*kinds: Kind) -> list[Workload]:
    """Return the workloads of some kinds, in order."""
    return [workload for workload in WORKLOADS if workload.kind in kinds]


TWIN_SUFFIX = ", the same again"
LIMIT_PREFIX = "limit: "
WHOLE_STEP = "whole step: Adam, float32, batch 64"
"""What the optimizers' own steps are a part of."""


def companions(
    group: str, selected: list[Workload], *, fastest: Callable[[list[Workload]], Workload]
) -> list[Workload]:
    """Return what is timed beside the selected cases of a group without being asked for.

    The group's reference, the twin of one case, and the limits of the machine for all of them;
    `fastest` chooses among the products that could be a limit. Optimizers get a whole step.
    """
    cases = group_of(group)
    reference = cases[0]
    found = [] if reference in selected else [reference]
    found += [
        replace(case, name=case.name + TWIN_SUFFIX)
        for case in cases
        if case.twin and case in selected
    ]
    if reference.kind not in ("gemm", "copy", "data"):
        if reference.kind == "optimizer-step":
            found.append(whole_step(reference))
        else:
            found += {fastest(ceilings(case)): None for case in selected}
        found.append(bandwidth(reference))
    return found


def ceilings(workload: Workload) -> list[Workload]:
    """Return the matrix products the fastest of which bounds the workload's arithmetic."""
    return [
        Workload(
            group=workload.group,
            name=f"{LIMIT_PREFIX}GEMM {workload.precision}",
            kind="gemm",
            device=workload.device,
            precision=workload.precision,
            threads=workload.threads,
            size=size,
        )
        for size in GEMM_SIZES[workload.device]
    ]


def whole_step(workload: Workload) -> Workload:
    """Return the training step that an optimizer's own step is a part of."""
    return Workload(
        group=workload.group, name=WHOLE_STEP, kind="training-step", device=workload.device
    )


def bandwidth(workload: Workload) -> Workload:
    """Return the copy that bounds the workload's memory traffic."""
    return Workload(
        group=workload.group,
        name=f"{LIMIT_PREFIX}memory copy",
        kind="copy",
        device=workload.device,
        threads=workload.threads,
        size=128 if workload.device == "cpu" else 1024,
    )
