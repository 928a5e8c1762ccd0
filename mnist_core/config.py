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

from mnist_core.data.registry import DATASETS, dataset_spec
from mnist_core.data.spec import DatasetSpec
from mnist_core.errors import UserError, unknown_name
from mnist_core.models.architecture import Architecture
from mnist_core.models.registry import architecture
from mnist_core.optim.registry import require_known
from mnist_core.optim.schedules import SCHEDULES

PRECISIONS = ("float32", "bfloat16")
INTERPOLATIONS = ("nearest", "bilinear")
Scalar = bool | int | float | str | None
Option = Scalar | tuple[Scalar, ...]


# A field that is left out of the mapping where it has its default: it came later, and the digests
# of configurations that do not use it stay what they were.
_LATER = {"later": True}


_OPTIONS = ("optimizer_options", "network_options")
_CHOICES = {
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "interpolation": INTERPOLATIONS,
}


def _require(condition: bool, rule: str, value: object) -> None:  # noqa: FBT001
    if not condition:
        raise UserError(f"{rule}, got {value!r}")


def option_value(name: str, value: object) -> Option:
    """Return an argument as a configuration holds it: a list becomes a tuple."""
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
        f"the option {name} must be a finite number, a text, true, false, none, or a "
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
    network: str = field(default="baseline", metadata=_LATER)
    """Of the registry of networks."""
    network_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """Fields of the network's architecture that differ from the registry's."""
    precision: str = field(default="float32", metadata=_LATER)
    """Of the forward and backward pass; weights and evaluation are always float32."""
    label_smoothing: float = field(default=0.0, metadata=_LATER)
    """Share of the target that is spread over all classes (Szegedy et al. 2016, section 7)."""
    averaging: float = field(default=0.0, metadata=_LATER)
    """Decay per step of an exponential moving average of the weights, which is what is evaluated
    and saved; 0: the last weights."""
    recalibration_images: int = field(default=0, metadata=_LATER)
    """Training images, not augmented, from which batch normalisation takes its statistics again
    after every epoch (Wu and Johnson 2021, section 3); 0 keeps the running ones."""
    train_on_validation: bool = field(default=False, metadata=_LATER)
    """Whether the validation images are trained on too, once every choice is made (Goodfellow et
    al. 2016, section 7.8); what is then measured on them says nothing of other images."""
    interpolation: str = field(default="nearest", metadata=_LATER)
    """Of the augmentation: `nearest` is the seed's, `bilinear` allows scaling and shearing."""
    scaling: float = field(default=0.0, metadata=_LATER)
    """Scales are uniform in [1 - scaling, 1 + scaling]."""
    shear_degrees: float = field(default=0.0, metadata=_LATER)
    """Shears along x are uniform in ±shear_degrees."""
    elastic: float = field(default=0.0, metadata=_LATER)
    """Largest displacement of an elastic distortion's grid points, as a fraction of the side."""
    horizontal_flip: bool = field(default=False, metadata=_LATER)
    """Whether every second image, at random, is shown mirrored."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.default is MISSING:
                continue
            value, kind = getattr(self, entry.name), type(entry.default)
            if kind is float and type(value) is int:
                object.__setattr__(self, entry.name, float(value))
            elif type(value) is not kind:
                raise UserError(f"{entry.name} must be of type {kind.__name__}, got {value!r}")
        for name in _OPTIONS:
            options = getattr(self, name)
            _require(isinstance(options, Mapping), f"{name} must be a mapping", options)
            object.__setattr__(
                self, name, {str(key): option_value(key, options[key]) for key in sorted(options)}
            )
        for name in ("params", "lr"):
            if name in self.optimizer_options:
                raise UserError(
                    f"optimizer_options must not hold {name!r}: the parameters are the network's, "
                    "and lr is learning_rate"
                )
        spec = self.dataset_spec
        self.parameters()  # refuses a network that is not known, or too deep for the images
        require_known(self.optimizer)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
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
        if self.horizontal_flip and not spec.flip_keeps_class:
            suited = [name for name, entry in DATASETS.items() if entry.flip_keeps_class]
            raise UserError(
                f"horizontal_flip must be false for {self.dataset}: a mirrored {spec.shown} is "
                f"not of its class any more; it suits {', '.join(suited)}"
            )
        _require(0 <= self.seed < 2**63, "seed must be in [0, 2**63)", self.seed)
        for name, value in (
            ("label_smoothing", self.label_smoothing),
            ("averaging", self.averaging),
            ("scaling", self.scaling),
            ("elastic", self.elastic),
        ):
            _require(0 <= value < 1, f"{name} must be in [0, 1)", value)
        _require(
            self.recalibration_images >= 0,
            "recalibration_images must be >= 0",
            self.recalibration_images,
        )
        if self.recalibration_images and self.architecture().normalisation != "batch":
            raise UserError(
                "recalibration_images must be 0 for a network without batch normalisation, got "
                f"{self.recalibration_images} for {self.network}; normalisation=batch has it"
            )
        _require(
            0 <= self.shear_degrees <= 45, "shear_degrees must be in [0, 45]", self.shear_degrees
        )
        if self.interpolation == "nearest" and (
            self.scaling or self.shear_degrees or self.elastic
        ):
            raise UserError(
                "scaling, shear_degrees and elastic need interpolation 'bilinear', got 'nearest'"
            )

    @property
    def dataset_spec(self) -> DatasetSpec:
        """Return what is known of the data set."""
        return dataset_spec(self.dataset)

    def architecture(self) -> Architecture:
        """Return the network's architecture."""
        return architecture(self.network, self.network_options)

    def parameters(self) -> int:
        """Return how many parameters the network has for the data set's images and classes."""
        spec = self.dataset_spec
        return self.architecture().parameters(spec.shape, len(spec.classes))

    def evaluation_flops(self) -> int:
        """Return the FLOPs of one of the data set's images in evaluation."""
        spec = self.dataset_spec
        return self.architecture().evaluation_flops(spec.shape, len(spec.classes))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        values = asdict(self)
        for entry in fields(self):
            if entry.metadata.get("later") and values[entry.name] == entry.default:
                del values[entry.name]
        for name in _OPTIONS:
            options = values.pop(name)
            if options:
                values[name] = {
                    key: list(value) if isinstance(value, tuple) else value
                    for key, value in options.items()
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
