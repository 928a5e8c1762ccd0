"""What is searched for each optimizer: the learning rate alone, or what a file of `--space` says.

    ["lion:Lion"]
    learning_rate = { low = 1e-5, high = 1e-2, log = true }
    betas = { choices = [[0.9, 0.99], [0.95, 0.98]] }
    "betas.0" = { low = 0.8, high = 0.95 }
    batch_size = { choices = [32, 64] }
    foreach = false
    default = { learning_rate = 1e-4 }

A table with `low` and `high`, or with `choices`, is a dimension of the search; any other value is
fixed. The names of a training run's own settings go to its configuration, all others to the
optimizer's constructor. `plan.json` holds the resolved spaces in the same form, so that a resume
needs neither the file nor the class. Importing this module is cheap.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mnist_core import own_optimizers
from mnist_core.config import Option, TrainConfig, option_value
from mnist_core.errors import UserError
from mnist_core.optimizers import OPTIMIZERS, optimizer_class, optimizer_spec

LEARNING_RATE = "learning_rate"
SETTINGS = (LEARNING_RATE, "batch_size", "schedule", "rotation_degrees", "translation")
"""What of a TrainConfig may differ between the trials of a study."""
_FLOATS = (LEARNING_RATE, "rotation_degrees", "translation")
_EQUAL = "it is the same for every run of a study: give the command line's option"
_REFUSED = {
    "epochs": "every run is equally long, or the budgets would not be equal: give --epochs",
    "seed": "all trials share one seed, confirmations have fresh ones: give --seed",
    "trials": "every optimizer has as many trials as the others: give --trials",
    "augmentation": "name rotation_degrees and translation",
    "optimizer": "it is the table's name",
    "optimizer_options": "name each argument of the constructor for itself",
    "lr": "name it learning_rate",
    "params": "they are the network's",
    **dict.fromkeys(
        ("dataset", "device", "threads", "sampler", "pruner", "confirm_seeds"), _EQUAL
    ),
}
_TEXTS = ("label", "reason")
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
        return (
            min(max(math.floor(value), int(self.low)), int(self.high)) if self.integer else value
        )

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
        options: dict[str, Any] = {
            name: value
            for name, value in values.items()
            if name not in SETTINGS and "." not in name
        }
        for name, value in values.items():
            if "." in name:
                argument, place = _component(name)
                whole = list(options[argument])
                whole[place] = value
                options[argument] = tuple(whole)
        settings: dict[str, Any] = {name: values[name] for name in SETTINGS if name in values}
        return {**settings, "optimizer_options": options} if options else settings

    def parameters(self, config: Mapping[str, Any]) -> dict[str, Option]:
        """Return a trial's parameters from its configuration's mapping."""
        options = config.get("optimizer_options", {})
        found = {}
        for dimension in self.dimensions:
            name = dimension.name
            if name in SETTINGS:
                found[name] = config[name]
            elif "." in name:
                argument, place = _component(name)
                found[name] = options[argument][place]
            else:
                found[name] = option_value(name, options[name])
        return found

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


def _component(name: str) -> tuple[str, int]:
    """Split `betas.0` into the argument and the place."""
    argument, _, place = name.partition(".")
    if not (argument.isidentifier() and place.isdecimal()) or argument in SETTINGS:
        raise UserError(f"{name!r} must be an argument, or a component such as 'betas.0'")
    return argument, int(place)


def recorded_space(entry: Mapping[str, Any]) -> SearchSpace:
    """Return the search of a registry's entry, as plan.json records it: its learning rate."""
    low, high = entry["learning_rate_range"]
    return SearchSpace(
        name=entry["name"],
        label=entry["label"],
        dimensions=(Dimension(name=LEARNING_RATE, low=low, high=high, log=True),),
        default={LEARNING_RATE: entry["default_learning_rate"]},
        reason=entry["reason"],
    )


def registry_space(name: str) -> SearchSpace:
    """Return the search of one of the registry's optimizers."""
    return recorded_space(asdict(optimizer_spec(name)))


def space_from_table(name: str, table: Mapping[str, Any]) -> SearchSpace:
    """Build a space from `to_table`'s mapping, as plan.json holds it, whole."""
    known = dict(table)
    default = known.pop("default", {})
    label, reason = known.pop("label", name), known.pop("reason", "")
    return SearchSpace(
        name=name,
        label=label,
        reason=reason,
        dimensions=tuple(_dimension(k, v) for k, v in known.items() if isinstance(v, Mapping)),
        fixed={k: option_value(k, v) for k, v in known.items() if not isinstance(v, Mapping)},
        default={key: option_value(key, value) for key, value in default.items()},
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _dimension(name: str, table: Mapping[str, Any]) -> Dimension:
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
    if not (
        _number(low) and _number(high) and isinstance(log, bool) and isinstance(integer, bool)
    ):
        raise UserError(
            f"low and high must be numbers, log and integer true or false, got {dict(table)!r}"
        )
    if integer and name in _FLOATS:
        raise UserError("cannot be an integer: it is a float")
    if integer and not (isinstance(low, int) and isinstance(high, int)):
        raise UserError(f"low and high must be whole where integer = true, got {low!r}, {high!r}")
    return Dimension(name=name, low=float(low), high=float(high), log=log, integer=integer)


def read_tables(file: Path) -> dict[str, dict[str, Any]]:
    """Read a file of `--space`: one table per optimizer."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read --space {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"--space {file} is not a file of TOML: {error} (a name with a colon or a dot stands "
            'in quotes: ["lion:Lion"], "betas.0")'
        ) from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UserError(
                f'--space {file}: {name} must stand in a table of an optimizer, such as ["adam"]'
            )
    return tables


def resolve(optimizers: Iterable[str], file: Path | None) -> dict[str, SearchSpace]:
    """Return the space of every optimizer: its table of the file, if any, on top of the
    registry's entry or, for a user's class, of its signature."""
    names = tuple(optimizers)
    tables = {} if file is None else read_tables(file)
    for name in tables:
        if name not in names:
            raise UserError(
                f"--space {file}: [{name}] is not among --optimizers {','.join(names)}; add it "
                "there, or remove the table"
            )
    spaces = {}
    for name in names:
        where = f"--space {file}: [{name}]" if name in tables else name
        base = _own_space(name) if own_optimizers.is_own(name) else registry_space(name)
        spaces[name] = _refine(base, tables.get(name, {}), where=where)
    return spaces


def _own_space(name: str) -> SearchSpace:
    """Return the search of a user's class, a decade either side of its signature's `lr`; without
    dimensions where that is no number."""
    rate = own_optimizers.default_learning_rate(name)
    label = name.split(":")[1]
    if label in {spec.label for spec in OPTIMIZERS.values()}:
        label = name
    if rate is None:
        return SearchSpace(name=name, label=label, dimensions=())
    # Through decimals, so that a decade below 1e-4 is 1e-05 and not 1.0000000000000001e-05.
    low, high = float(f"{rate / 10:.12g}"), float(f"{rate * 10:.12g}")
    return SearchSpace(
        name=name,
        label=label,
        dimensions=(Dimension(name=LEARNING_RATE, low=low, high=high, log=True),),
        default={LEARNING_RATE: rate},
        reason=f"a decade either side of {rate:g}, the default in the signature of {name}",
    )


@contextlib.contextmanager
def _errors_at(place: str) -> Iterator[None]:
    """Put the place in the file before the message of a `UserError`."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _refine(base: SearchSpace, table: Mapping[str, Any], *, where: str) -> SearchSpace:
    """Return the base with what a table says on top of it, complete and checked."""
    if not base.dimensions and LEARNING_RATE not in table:
        raise UserError(
            f"{where} has no default for lr in its signature, around which to search: give its "
            "range in a file of --space, as learning_rate = { low = …, high = …, log = true }"
        )
    if not table:
        return base
    dimensions = {entry.name: entry for entry in base.dimensions}
    fixed: dict[str, Option] = {}
    for key, value in table.items():
        if key in (*_TEXTS, "default"):
            continue
        with _errors_at(f"{where} {key}"):
            _require_searchable(base.name, key)
            if isinstance(value, dict):
                dimensions[key] = _dimension(key, value)
            else:
                fixed[key] = option_value(key, value)
                dimensions.pop(key, None)
    for key in _TEXTS:
        with _errors_at(f"{where} {key}"):
            if not isinstance(table.get(key, ""), str):
                raise UserError(f"must be a text, got {table[key]!r}")
    if not dimensions:
        raise UserError(f"{where}: nothing is searched; give one key low and high, or choices")
    space = replace(
        base,
        label=table.get("label", base.label),
        reason=table.get("reason", base.reason if LEARNING_RATE not in table else ""),
        dimensions=tuple(dimensions.values()),
        fixed=fixed,
    )
    return _with_defaults(space, table.get("default", {}), base=base, where=where)


def _require_searchable(optimizer: str, key: str) -> None:
    if key in _REFUSED:
        raise UserError(f"cannot be set here: {_REFUSED[key]}")
    if key not in SETTINGS:
        argument = _component(key)[0] if "." in key else key
        own_optimizers.require_arguments(optimizer, optimizer_class(optimizer), [argument])


def _with_defaults(
    space: SearchSpace, given: object, *, base: SearchSpace, where: str
) -> SearchSpace:
    """Complete the untuned values from the signature, and try every value in a configuration."""
    if not isinstance(given, dict):
        raise UserError(f"{where} default: must be a table of untuned values, got {given!r}")
    names = [entry.name for entry in space.dimensions]
    for key in given:
        if key not in names:
            raise UserError(
                f"{where} default: {key} is not searched; searched: {', '.join(names)}"
            )
    signature = _known_arguments(space.name)
    fixed, default = dict(space.fixed), {}
    for entry in space.dimensions:
        key = entry.name
        with _errors_at(f"{where} {key}"):
            if "." in key:
                argument, place = _component(key)
                whole = fixed.setdefault(argument, signature.get(argument))
                if not isinstance(whole, tuple) or place >= len(whole):
                    raise UserError(f"{argument} must have a component {place}, got {whole!r}")
                known: Mapping[str, Option] = {key: whole[place]}
            else:
                known = {**signature, **base.default}
            if key in given:
                default[key] = option_value(key, given[key])
            elif key in known:
                default[key] = known[key]
            elif key not in SETTINGS or key == LEARNING_RATE:
                raise UserError(
                    f"has no default in the signature of {space.name}: say what untuned means, "
                    f"as default = {{ {key} = … }}"
                )
    space = replace(space, fixed=fixed, default=default)
    for entry in space.dimensions:
        for value in (*entry.corners(), *([default[entry.name]] if entry.name in default else [])):
            with _errors_at(f"{where} {entry.name}"):
                _try(space, {entry.name: value})
    for key, value in space.fixed.items():
        with _errors_at(f"{where} {key}"):
            _try(space, {key: value})
    return space


def _known_arguments(optimizer: str) -> dict[str, Option]:
    """Return the constructor's defaults that a configuration can hold, the registry's first."""
    known = {}
    for name, value in own_optimizers.signature_defaults(optimizer_class(optimizer)).items():
        with contextlib.suppress(UserError):
            known[name] = option_value(name, value)
    options = {} if own_optimizers.is_own(optimizer) else optimizer_spec(optimizer).options
    return {**known, **options}


def _try(space: SearchSpace, parameters: Mapping[str, Option]) -> None:
    """Let a configuration refuse values that it cannot hold."""
    settings = {name: value for name, value in parameters.items() if name in SETTINGS}
    TrainConfig(optimizer=space.name, **settings)  # type: ignore[arg-type]


def to_toml(spaces: Mapping[str, SearchSpace]) -> str:
    """Return spaces as a file of `--space`, from which `resolve` makes the same ones."""
    parts = []
    for name, space in spaces.items():
        table = space.to_table()
        # TOML has no null: an untuned None is the signature's, and is found there again.
        table["default"] = {k: v for k, v in table["default"].items() if v is not None}
        lines = [f"[{_toml_key(name)}]"]
        lines += [f"{_toml_key(key)} = {_toml(value)}" for key, value in table.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    """Return a value of JSON as TOML, whose texts, numbers and lists are written alike."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
