"""What is searched for each optimizer: dimensions, fixed values, and what "untuned" means.

A table with `low` and `high`, or with `choices`, is a dimension of the search; any other value is
fixed. The names of a training run's own settings go to its configuration, all others to the
optimizer's constructor, `betas.0` to a component of an argument. `plan.json` holds these tables
complete, so that a resume needs neither a file nor the class; `study.plans.space_file` reads what
a user writes. Importing this module is cheap.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnist_core.config import Option, option_value
from mnist_core.errors import UserError
from mnist_core.optim.registry import optimizer_spec

LEARNING_RATE = "learning_rate"
SETTINGS = (LEARNING_RATE, "batch_size", "schedule", "rotation_degrees", "translation")
"""What of a TrainConfig may differ between the trials of a study."""
_FLOATS = (LEARNING_RATE, "rotation_degrees", "translation")
_RANGE_KEYS = {"low", "high", "log", "integer"}


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One searched parameter: a range, or choices."""

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    choices: tuple[Option, ...] = ()

    def __post_init__(self) -> None:
        if self.choices:
            if len({json.dumps(choice) for choice in self.choices}) != len(self.choices):
                raise UserError(f"choices must differ, got {list(self.choices)}")
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(f"low must be below high, got {self.low!r} and {self.high!r}")
        if self.log and self.low <= 0:
            raise UserError(f"low must be positive where log = true, got {self.low!r}")

    def at(self, unit: float) -> Option:
        """Return the value at a place in [0, 1): choices and integers have equal shares of it,
        integers of a logarithmic range equal shares of the logarithm from low to high + 1."""
        if self.choices:
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        high = self.high + 1 if self.integer else self.high
        if self.log:
            value = float(self.low * (high / self.low) ** unit)
        else:
            value = float(self.low + (high - self.low) * unit)
        if not self.integer:
            return value
        return min(max(math.floor(value), int(self.low)), int(self.high))

    def corners(self) -> tuple[Option, ...]:
        """Return both ends of the range, or every choice."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.integer else (self.low, self.high)

    def describe(self) -> str:
        """Return the range or the choices in words."""
        if self.choices:
            return "one of " + ", ".join(map(value_text, self.choices))
        kind = ("log-" if self.log else "") + "uniform"
        return f"{self.low:g} to {self.high:g}, {'integers, ' if self.integer else ''}{kind}"

    def to_table(self) -> dict[str, Any]:
        """Return the dimension as a file has it, JSON-ready."""
        if self.choices:
            return {"choices": [_jsonable(choice) for choice in self.choices]}
        low, high = self.corners()
        flags = {name: True for name in ("log", "integer") if getattr(self, name)}
        return {"low": low, "high": high, **flags}


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What is searched, what is fixed, and what "untuned" means, for one optimizer."""

    name: str
    label: str
    dimensions: tuple[Dimension, ...]
    fixed: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """Settings and constructor arguments that are the same for all of its runs."""
    default: Mapping[str, Option] = field(default_factory=dict, hash=False)
    """The untuned value of the searched parameters; a setting that is not named has the plan's."""
    reason: str = ""
    """Why this space."""

    def dimension(self, name: str) -> Dimension | None:
        """Return a dimension by its name."""
        return next((entry for entry in self.dimensions if entry.name == name), None)

    @property
    def learning_rate_range(self) -> tuple[float, float] | None:
        """Return the range of the learning rate; None where it is fixed or of choices."""
        rate = self.dimension(LEARNING_RATE)
        return None if rate is None or rate.choices else (rate.low, rate.high)

    @property
    def is_learning_rate_alone(self) -> bool:
        """Tell whether nothing but a range of learning rates is searched, and nothing fixed."""
        return len(self.dimensions) == 1 and bool(self.learning_rate_range) and not self.fixed

    def settings(self, parameters: Mapping[str, Option]) -> dict[str, Any]:
        """Return the keyword arguments of a TrainConfig that follow from a trial's parameters."""
        values = {**self.fixed, **parameters}
        arguments = (name for name in values if name not in SETTINGS and "." not in name)
        options: dict[str, Any] = {name: values[name] for name in arguments}
        for name, value in values.items():
            if "." in name:
                argument, place = component(name)
                whole = list(options[argument])
                whole[place] = value
                options[argument] = tuple(whole)
        settings: dict[str, Any] = {name: values[name] for name in SETTINGS if name in values}
        return {**settings, "optimizer_options": options} if options else settings

    def describe(self, *, is_short: bool = False) -> str:
        """Return what is searched, and what is fixed, in words; `is_short` leaves out the name
        of the learning rate where it is alone."""
        if is_short and self.is_learning_rate_alone:
            return self.dimensions[0].describe()
        searched = [f"{entry.name} {entry.describe()}" for entry in self.dimensions]
        fixed = [f"{name} = {value_text(value)}" for name, value in self.fixed.items()]
        return "; ".join(searched + fixed)

    def to_table(self) -> dict[str, Any]:
        """Return the space as a file has it, JSON-ready; `space_from_table` takes it back."""
        return {
            "label": self.label,
            **({"reason": self.reason} if self.reason else {}),
            **{entry.name: entry.to_table() for entry in self.dimensions},
            **{name: _jsonable(value) for name, value in self.fixed.items()},
            "default": {name: _jsonable(value) for name, value in self.default.items()},
        }


def value_text(value: Option) -> str:
    """Return a parameter's value for a person: three digits of a float."""
    if isinstance(value, tuple | list):
        return f"({', '.join(map(value_text, value))})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def parameters_text(parameters: Mapping[str, Option]) -> str:
    """Return parameters in one line for a person."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in parameters.items())


def _jsonable(value: Option) -> Any:
    return list(value) if isinstance(value, tuple) else value


def component(name: str) -> tuple[str, int]:
    """Split `betas.0` into the argument and the place."""
    argument, _, place = name.partition(".")
    if not (argument.isidentifier() and place.isdecimal()) or argument in SETTINGS:
        raise UserError(f"{name!r} must be an argument, or a component such as 'betas.0'")
    return argument, int(place)


def rate_space(
    name: str, label: str, *, ends: tuple[float, float], default: float, reason: str
) -> SearchSpace:
    """Return a search of the learning rate, between two ends on a logarithmic scale."""
    rate = Dimension(name=LEARNING_RATE, low=ends[0], high=ends[1], log=True)
    untuned = {LEARNING_RATE: default}
    return SearchSpace(name=name, label=label, dimensions=(rate,), default=untuned, reason=reason)


def registry_space(name: str) -> SearchSpace:
    """Return the search of one of the registry's optimizers: its learning rate."""
    spec = optimizer_spec(name)
    ends, default = spec.learning_rate_range, spec.default_learning_rate
    return rate_space(spec.name, spec.label, ends=ends, default=default, reason=spec.reason)


def space_from_table(name: str, table: Mapping[str, Any]) -> SearchSpace:
    """Build a space from `to_table`'s mapping, as plan.json holds it, whole."""
    known = dict(table)
    default = known.pop("default", {})
    label, reason = known.pop("label", name), known.pop("reason", "")
    searched = {k: dimension_from_table(k, v) for k, v in known.items() if isinstance(v, Mapping)}
    return SearchSpace(
        name=name,
        label=label,
        reason=reason,
        dimensions=tuple(searched.values()),
        fixed={k: option_value(k, v) for k, v in known.items() if k not in searched},
        default={key: option_value(key, value) for key, value in default.items()},
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def dimension_from_table(name: str, table: Mapping[str, Any]) -> Dimension:
    """Build a dimension from its table; what is not understood is a `UserError`."""
    if set(table) == {"choices"}:
        choices = table["choices"]
        if not isinstance(choices, list | tuple) or not choices:
            raise UserError(f"choices must be a list of one or more values, got {choices!r}")
        values = tuple(option_value(name, choice) for choice in choices)
        if name in _FLOATS:  # as a configuration holds them
            values = tuple(float(v) if type(v) is int else v for v in values)
        return Dimension(name=name, choices=values)
    if not {"low", "high"} <= set(table) <= _RANGE_KEYS:
        raise UserError(
            "must have low and high (and may have log and integer), or choices alone, got "
            f"{', '.join(table) or 'an empty table'}"
        )
    low, high = table["low"], table["high"]
    log, integer = table.get("log", False), table.get("integer", False)
    flags = isinstance(log, bool) and isinstance(integer, bool)
    if not (_number(low) and _number(high) and flags):
        raise UserError(
            f"low and high must be numbers, log and integer true or false, got {dict(table)!r}"
        )
    if integer and name in _FLOATS:
        raise UserError("cannot be an integer: it is a float")
    if integer and not (isinstance(low, int) and isinstance(high, int)):
        raise UserError(f"low and high must be whole where integer = true, got {low!r}, {high!r}")
    return Dimension(name=name, low=float(low), high=float(high), log=log, integer=integer)
