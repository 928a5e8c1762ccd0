"""The file of `--space`: what a user says of the search, completed from registry and signature.

    ["lion:Lion"]
    learning_rate = { low = 1e-5, high = 1e-2, log = true }
    "betas.0" = { low = 0.8, high = 0.95 }
    batch_size = { choices = [32, 64] }
    foreach = false
    default = { learning_rate = 1e-4 }

`resolve` gives the search space of every optimizer of a study, with a file or without one. Every
error names the file, the table, the key and the value. Importing this module is cheap; resolving
imports torch where a constructor's signature is needed.
"""

import contextlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from mnist_core.config import Option, TrainConfig, option_value
from mnist_core.errors import UserError
from mnist_core.optim.custom import (
    default_learning_rate,
    is_custom,
    require_arguments,
    signature_defaults,
)
from mnist_core.optim.registry import OPTIMIZERS, optimizer_class, optimizer_spec
from study.plans.space import (
    LEARNING_RATE,
    SETTINGS,
    SearchSpace,
    component,
    dimension_from_table,
    rate_space,
    registry_space,
)

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
        base = _own_space(name) if is_custom(name) else registry_space(name)
        spaces[name] = _refine(base, tables.get(name, {}), where=where)
    return spaces


def _own_space(name: str) -> SearchSpace:
    """Return the search of a user's class, a decade either side of its signature's `lr`; without
    dimensions where that is no number."""
    rate = default_learning_rate(name)
    label = name.split(":")[1]
    if label in {spec.label for spec in OPTIMIZERS.values()}:
        label = name
    if rate is None:
        return SearchSpace(name=name, label=label, dimensions=())
    # Through decimals, so that a decade below 1e-4 is 1e-05 and not 1.0000000000000001e-05.
    low, high = float(f"{rate / 10:.12g}"), float(f"{rate * 10:.12g}")
    reason = f"a decade either side of {rate:g}, the default in the signature of {name}"
    return rate_space(name, label, ends=(low, high), default=rate, reason=reason)


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
                dimensions[key] = dimension_from_table(key, value)
            else:
                fixed[key] = option_value(key, value)
                dimensions.pop(key, None)
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise UserError(f"{where} {key}: must be a text, got {table[key]!r}")
    label = table.get("label", base.label)
    # What would break a table of the report, or be nothing to see in it, is refused.
    if not label.strip() or "|" in label or not label.isprintable():
        raise UserError(
            f"{where} label: must be one line of printable characters without '|', got {label!r}"
        )
    if not dimensions:
        raise UserError(f"{where}: nothing is searched; give one key low and high, or choices")
    space = replace(
        base,
        label=label,
        reason=table.get("reason", base.reason if LEARNING_RATE not in table else ""),
        dimensions=tuple(dimensions.values()),
        fixed=fixed,
    )
    return _with_defaults(space, table.get("default", {}), base=base, where=where)


def _require_searchable(optimizer: str, key: str) -> None:
    if key in _REFUSED:
        raise UserError(f"cannot be set here: {_REFUSED[key]}")
    if key not in SETTINGS:
        argument = component(key)[0] if "." in key else key
        require_arguments(optimizer, optimizer_class(optimizer), [argument])


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
    known = {**signature, **base.default}
    fixed, default = dict(space.fixed), {}
    for key in filter(lambda name: "." in name, [*names, *space.fixed]):
        with _errors_at(f"{where} {key}"):
            argument, place = component(key)
            if argument in names:
                raise UserError(
                    f"{argument} is searched as a whole: name it alone, or its components alone"
                )
            whole = fixed.setdefault(argument, signature.get(argument))
            if not isinstance(whole, tuple) or place >= len(whole):
                raise UserError(f"{argument} must have a component {place}, got {whole!r}")
            known[key] = whole[place]
    for entry in space.dimensions:
        key = entry.name
        with _errors_at(f"{where} {key}"):
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
    ends = [(entry.name, value) for entry in space.dimensions for value in entry.corners()]
    for key, value in (*ends, *default.items(), *fixed.items()):
        with _errors_at(f"{where} {key}"):
            _try(space, key, value)
    return space


def _known_arguments(optimizer: str) -> dict[str, Option]:
    """Return the constructor's defaults that a configuration can hold, the registry's first."""
    known = {}
    for name, value in signature_defaults(optimizer_class(optimizer)).items():
        with contextlib.suppress(UserError):
            known[name] = option_value(name, value)
    options = {} if is_custom(optimizer) else optimizer_spec(optimizer).options
    return {**known, **options}


def _try(space: SearchSpace, name: str, value: Option) -> None:
    """Let a configuration refuse a value that it cannot hold."""
    if name in SETTINGS:
        TrainConfig(optimizer=space.name, **{name: value})  # type: ignore[arg-type]


def to_toml(spaces: Mapping[str, SearchSpace]) -> str:
    """Return spaces as a file of `--space`, from which `resolve` makes the same ones."""
    tables = {name: space.to_table() for name, space in spaces.items()}
    for table in tables.values():
        # TOML has no null: an untuned None is the signature's, and is found there again.
        table["default"] = {k: v for k, v in table["default"].items() if v is not None}
    return tomli_w.dumps(tables, indent=2)
