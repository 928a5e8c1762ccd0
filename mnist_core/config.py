"""TrainConfig: everything that decides the bits of a training run, but the machine it runs on.

Frozen and keyword-only; the defaults are the baseline recipe. `to_dict` and `from_dict` round-trip
(an unknown key is an error), and `digest` names the configuration. Importing it is cheap.
"""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from mnist_core.data.registry import DATASETS, dataset_spec
from mnist_core.data.spec import DatasetSpec
from mnist_core.errors import UserError, from_mapping, require_known
from mnist_core.models.architecture import Architecture
from mnist_core.models.registry import NETWORKS, architecture
from mnist_core.optim.registry import OPTIMIZERS, require_optimizer
from mnist_core.optim.schedules import SCHEDULES

PRECISIONS = ("float32", "bfloat16")
INTERPOLATIONS = ("nearest", "bilinear")
Scalar = bool | int | float | str | None
Option = Scalar | tuple[Scalar, ...]
Rule = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words, and whether it is."""

_OPTIONS = ("optimizer_options", "network_options")
_FLIPPED = [name for name, spec in DATASETS.items() if spec.flip_keeps_class]
"""Data sets of which a mirrored image keeps its class."""
_FRACTION: Rule = ("must be in [0, 1)", lambda value: 0 <= value < 1)
_SEED: Rule = ("must be in [0, 2**63)", lambda value: 0 <= value < 2**63)
_POSITIVE: Rule = ("must be positive and finite", lambda value: 0 < value < math.inf)


def _at_least(low: int) -> Rule:
    return f"must be >= {low}", lambda value: value >= low


def _between(low: int, high: int) -> Rule:
    return f"must be in [{low}, {high}]", lambda value: low <= value <= high


def _setting(
    default: Any,
    text: str,
    rule: Rule | None = None,
    *,
    choices: Collection[str] = (),
    later: bool = False,
) -> Any:
    """Return a field with its default, its help text, and what its value must be."""
    metadata = {"help": text, "rule": rule, "choices": choices, "later": later}
    return field(default=default, metadata=metadata)


_later = partial(_setting, later=True)
"""A field that is left out of the mapping where it has its default: it came after the first
configurations were recorded, and their digests stay what they were."""


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
    """One training run. A wrong value raises `UserError` with the rule and the value.

    The text of a field is its help on the command line.
    """

    dataset: str = "mnist"
    optimizer: str = _setting(
        "adam", f"one of {', '.join(OPTIMIZERS)}, or a custom one as package.module:Class"
    )
    optimizer_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """Arguments of the optimizer's constructor beyond the learning rate; what is not named keeps
    the registry's or the library's default."""
    learning_rate: float = _setting(
        1e-3, "peak learning rate, which the schedule scales", _POSITIVE
    )
    schedule: str = _setting("constant", "of the learning rate", choices=SCHEDULES)
    epochs: int = _setting(15, "passes over the train split", _at_least(1))
    batch_size: int = _setting(
        64, "images per step; those left over differ from epoch to epoch", _at_least(1)
    )
    rotation_degrees: float = _setting(
        10.0, "largest rotation to either side, in degrees; 0 turns it off", _between(0, 180)
    )
    translation: float = _setting(
        0.1, "largest shift, as a fraction of the side; 0 turns it off", _FRACTION
    )
    seed: int = _setting(
        0, "decides initialisation, order, augmentation and dropout, independently", _SEED
    )
    network: str = _later(
        "baseline", f"one of {', '.join(NETWORKS)}, without the recipe's options of its network"
    )
    network_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """Fields of the network's architecture that differ from the registry's."""
    precision: str = _later(
        "float32",
        "of the forward and backward pass; weights and evaluation are always float32",
        choices=PRECISIONS,
    )
    label_smoothing: float = _later(
        0.0, "share of the target that is spread over all classes (Szegedy et al. 2016)", _FRACTION
    )
    averaging: float = _later(
        0.0,
        "decay per step of an exponential moving average (EMA) of the weights, which is then "
        "evaluated and saved; 0: the last weights",
        _FRACTION,
    )
    recalibration_images: int = _later(
        0,
        "training images, not augmented, from which batch normalisation takes its statistics "
        "again after every epoch (precise BN, Wu and Johnson 2021); 0: the running ones",
        _at_least(0),
    )
    train_on_validation: bool = _later(
        default=False,
        text="train on the validation images too, once every choice is made (Goodfellow et al. "
        "2016, section 7.8); the validation accuracy then says nothing of other images",
    )
    interpolation: str = _later(
        "nearest",
        "of the augmentation; with bilinear also --scaling, --shear-degrees and --elastic",
        choices=INTERPOLATIONS,
    )
    scaling: float = _later(0.0, "largest change of scale, as a fraction", _FRACTION)
    shear_degrees: float = _later(0.0, "largest shear along x, in degrees", _between(0, 45))
    elastic: float = _later(
        0.0, "largest displacement of an elastic distortion, as a fraction of the side", _FRACTION
    )
    horizontal_flip: bool = _later(
        default=False, text=f"mirror every second image, at random; for {', '.join(_FLIPPED)}"
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.default is not MISSING:
                self._check(entry)
        for name in _OPTIONS:
            options = getattr(self, name)
            if not isinstance(options, Mapping):
                raise UserError(f"{name} must be a mapping, got {options!r}")
            values = {str(key): option_value(key, options[key]) for key in sorted(options)}
            object.__setattr__(self, name, values)
        for name in ("params", "lr"):
            if name in self.optimizer_options:
                raise UserError(
                    f"optimizer_options must not hold {name!r}: the parameters are the network's, "
                    "and lr is learning_rate"
                )
        require_optimizer(self.optimizer)
        spec = self.dataset_spec
        self.parameters()  # refuses a network that is not known, or too deep for the images
        if self.horizontal_flip and not spec.flip_keeps_class:
            raise UserError(
                f"horizontal_flip must be false for {self.dataset}: a mirrored {spec.shown} is "
                f"not of its class any more; it suits {', '.join(_FLIPPED)}"
            )
        if self.recalibration_images and self.architecture().normalisation != "batch":
            raise UserError(
                "recalibration_images must be 0 for a network without batch normalisation, got "
                f"{self.recalibration_images} for {self.network}; normalisation=batch has it"
            )
        if self.interpolation == "nearest" and (
            self.scaling or self.shear_degrees or self.elastic
        ):
            raise UserError(
                "scaling, shear_degrees and elastic need interpolation 'bilinear', got 'nearest'"
            )

    def _check(self, entry: Field[Any]) -> None:
        """Raise `UserError` where a field is of another type, or not what it must be."""
        name, kind = entry.name, type(entry.default)
        value, rule = getattr(self, name), entry.metadata.get("rule")
        if kind is float and type(value) is int:
            value = float(value)
            object.__setattr__(self, name, value)
        if type(value) is not kind:
            raise UserError(f"{name} must be of type {kind.__name__}, got {value!r}")
        if choices := entry.metadata.get("choices"):
            require_known(name, value, choices)
        if rule and not rule[1](value):
            raise UserError(f"{name} {rule[0]}, got {value!r}")

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
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a configuration from `to_dict`'s mapping; an unknown key is a `UserError`."""
        return from_mapping(cls, values, kind="configuration key")

    def with_seed(self, seed: int) -> Self:
        """Return the same configuration with another seed."""
        return replace(self, seed=seed)

    def digest(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
