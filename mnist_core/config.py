"""TrainConfig: everything that decides the bits of a training run, but the machine it runs on.

Frozen and keyword-only; the defaults are the seed's recipe. `to_dict` and `from_dict` round-trip
(an unknown key is an error) and `digest` names the configuration. Importing it is cheap.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from mnist_core.errors import UserError, unknown_name
from mnist_core.optimizers import optimizer_spec
from mnist_core.schedules import SCHEDULES

DATASET_NAMES = ("digits", "mnist")


def _require(condition: bool, rule: str, value: object) -> None:  # noqa: FBT001
    if not condition:
        raise UserError(f"{rule}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. A wrong value raises `UserError` with the rule and the value."""

    dataset: str = "mnist"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    """Peak learning rate, which the schedule scales."""
    schedule: str = "constant"
    epochs: int = 15
    batch_size: int = 64
    """Images per step; an epoch is floor(n / batch_size) steps, its few left-over images differ
    from epoch to epoch."""
    rotation_degrees: float = 10.0
    """Angles are uniform in [-rotation_degrees, rotation_degrees]; 0 turns rotation off."""
    translation: float = 0.1
    """Largest shift as a fraction of the image's side; 0 turns translation off."""
    seed: int = 0
    """Decides initialisation, order and augmentation, each through a generator of its own."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not kind:
                raise UserError(f"{field.name} must be of type {kind.__name__}, got {value!r}")
        if self.dataset not in DATASET_NAMES:
            raise unknown_name("dataset", self.dataset, DATASET_NAMES)
        optimizer_spec(self.optimizer)
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        _require(
            math.isfinite(self.learning_rate) and self.learning_rate > 0,
            "learning_rate must be positive and finite",
            self.learning_rate,
        )
        _require(self.epochs >= 1, "epochs must be >= 1", self.epochs)
        _require(self.batch_size >= 1, "batch_size must be >= 1", self.batch_size)
        _require(
            0 <= self.rotation_degrees <= 180,
            "rotation_degrees must be in [0, 180]",
            self.rotation_degrees,
        )
        _require(0 <= self.translation < 1, "translation must be in [0, 1)", self.translation)
        _require(0 <= self.seed < 2**63, "seed must be in [0, 2**63)", self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Build a configuration from `to_dict`'s mapping; an unknown key is a `UserError`."""
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("configuration key", key, known)
        return cls(**values)

    def with_seed(self, seed: int) -> TrainConfig:
        """Return the same configuration with another seed."""
        return replace(self, seed=seed)

    def digest(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
