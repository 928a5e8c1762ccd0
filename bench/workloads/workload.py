"""What one case of the suite is: frozen, with a name, and without how it is timed.

A workload is the description; the case is the workload as it was measured. Nothing here imports
torch: names and counts are cheap. `bench.workloads.registry` lists the cases.
"""

from dataclasses import dataclass
from typing import Literal

Device = Literal["cpu", "cuda"]
GroupKind = Literal["limits", "training-step", "optimizer-step", "loop", "inference", "data"]
Kind = Literal[
    "training-step",
    "optimizer-step",
    "training-loop",
    "plain-loop",
    "inference",
    "data",
    "gemm",
    "copy",
]
Metric = Literal["throughput", "latency"]
Precision = Literal["float32", "bfloat16", "tf32"]
Role = Literal["case", "control", "limit", "a-a"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
# A library may leave a small product to one thread: oneDNN does up to 1,024 in bfloat16 on AMX.
GEMM_SIZES: dict[Device, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 1280),
    "cuda": (2048, 4096, 8192),
}
LOOP_STEPS: dict[Device, int] = {"cpu": 36, "cuda": 859}
"""Steps of one sample of a whole loop; on CUDA a whole epoch, so that capturing the step counts as
it does in a run."""
PLAIN_STEPS = 12
"""Steps of one sample of the plain PyTorch loop, which takes longer over them."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One case: what is done, not how it is timed."""

    group: str
    group_kind: GroupKind
    name: str
    kind: Kind
    role: Role = "case"
    """A `case` is listed in the registry and was selected. The others are timed beside the cases
    of a group: a `control` to be compared with, a `limit` of the machine, and, for the `a-a` test,
    one case a second time."""
    metric: Metric = "throughput"
    """What counts: the mean of calls in a row, or each single call."""
    device: Device = "cpu"
    batch_size: int = 64
    precision: Precision = "float32"
    layout: Literal["channels-last", "contiguous"] = "channels-last"
    mode: Literal[
        "eager",
        "compiled",
        "ahead-of-time",
        "captured",
        "onnxruntime",
        "plain",
        "convolutions",
        "prepared",
        "batched",
    ] = "eager"
    """`plain` is plain PyTorch, as a tutorial writes it; `convolutions` those of a training step
    with nothing between them; `prepared` steps on batches that were made before."""
    optimizer: str = "adam"
    threads: int | None = None
    """None: all cores."""
    augment: bool = False
    workers: int = 0
    """Of the DataLoader."""
    size: int = 0
    """Side of a matrix, or MiB of a copy."""
    in_a_a_test: bool = False
    """Whether the group's A/A test, which shows its noise floor, takes this case."""

    @property
    def id(self) -> str:
        """Return the name that pytest's -k and the records know the case by."""
        return f"{self.group}/{self.name}"

    def has(self, **values: object) -> bool:
        """Tell whether the fields have these values."""
        return all(getattr(self, name) == value for name, value in values.items())
