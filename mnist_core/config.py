"""TrainConfig: everything that decides the bits of a training run, but the machine it runs on.

Frozen and keyword-only; the defaults are the seed's recipe. `to_dict` and `from_dict` round-trip
(an unknown key is an error) and `digest` names the configuration. Importing it is cheap.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from mnist_core.errors import UserError, unknown_name
from mnist_core.optimizers import require_known
from mnist_core.schedules import SCHEDULES

DATASET_NAMES = ("digits", "mnist")
Scalar = bool | int | float | str | None
Option = Scalar | tuple[Scalar, ...]


def _require(condition: bool, rule: str, value: object) -> None:  # noqa: FBT001
    if not condition:
        raise UserError(f"{rule}, got {value!r}")


def option_value(name: str, value: object) -> Option:
    """Return a constructor's argument as a configuration holds it: a list becomes a tuple."""
    if isinstance(value, list | tuple):
        items = [option_value(name, item) for item in value]
        if not any(isinstance(item, tuple) for item in items):
            return tuple(items)  # type: ignore[arg-type]
    elif isinstance(value, float):
        if math.isfinite(value):
            return value
    elif value is None or isinstance(value, bool | int | str):
        return value
    raise UserError(
        f"the optimizer's option {name} must be a finite number, a text, true, false, none, or a "
        f"flat list of these, got {value!r}"
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. A wrong value raises `UserError` with the rule and the value."""

    dataset: str = "mnist"
    optimizer: str = "adam"
    """Of the registry, or a user's own as package.module:Class."""
    optimizer_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """Arguments of the optimizer's constructor beyond the learning rate; what is not named keeps
    the registry's or the library's default."""
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
        for entry in fields(self):
            if entry.default is MISSING:
                continue
            value, kind = getattr(self, entry.name), type(entry.default)
            if kind is float and type(value) is int:
                object.__setattr__(self, entry.name, float(value))
            elif type(value) is not kind:
                raise UserError(f"{entry.name} must be of type {kind.__name__}, got {value!r}")
        options = self.optimizer_options
        _require(isinstance(options, Mapping), "optimizer_options must be a mapping", options)
        for name in ("params", "lr"):
            if name in options:
                raise UserError(
                    f"optimizer_options must not hold {name!r}: the parameters are the network's, "
                    "and lr is learning_rate"
                )
        object.__setattr__(
            self,
            "optimizer_options",
            {str(name): option_value(name, options[name]) for name in sorted(options)},
        )
        if self.dataset not in DATASET_NAMES:
            raise unknown_name("dataset", self.dataset, DATASET_NAMES)
        require_known(self.optimizer)
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
        """Return a JSON-ready mapping that `from_dict` takes back.

        Options are named where there are any, so that the digest of a configuration without
        them stays what it was before there were any.
        """
        values = asdict(self)
        options = values.pop("optimizer_options")
        if options:
            values["optimizer_options"] = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in options.items()
            }
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Build a configuration from `to_dict`'s mapping; an unknown key is a `UserError`."""
        known = [entry.name for entry in fields(cls)]
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
