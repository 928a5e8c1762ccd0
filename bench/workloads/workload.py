"""What one case of the suite is: frozen, with a name, and without how it is timed.

Nothing here imports torch: names and counts are cheap. `bench.workloads.registry` lists the cases.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mnist_core.errors import unknown_name

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
IMAGE_SHAPE, CLASSES = (1, 28, 28), 10
"""Of the seed's network: here, as an old revision that is compared may not name them."""
# A library may leave a small product to one thread: oneDNN does up to 1,024 in bfloat16 on AMX.
GEMM_SIZES: dict[Device, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 1280),
    "cuda": (2048, 4096, 8192),
}
LOOP_STEPS: dict[Device, int] = {"cpu": 36, "cuda": 859}
"""Steps of one datum of a whole loop; on CUDA a whole epoch, so that capturing the step counts as
it does in a run."""
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
        "convolutions",
        "prepared",
        "batched",
        "per-image",
    ] = "eager"
    """`naive` and `seed` are the seed's code as it is written there, `convolutions` those of a
    training step with nothing between them, `prepared` steps on batches that were made before."""
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
