"""The registry of optimizers: torch.optim's own classes, their learning rates and why.

`build_optimizer("adam", network.parameters(), learning_rate=1e-3)` builds one of them, or a custom
optimizer where the name is `package.module:Class`. Importing this module does not import torch, so
that command lines can list the names at once.

Ranges span about two decades around where validation accuracy peaked on MNIST in short annealed
runs, so that the best learning rate should lie inside; a study reports when it does not. What of
torch.optim is absent: LBFGS needs a closure, SparseAdam sparse gradients, Rprop full batches, and
Muon takes 2-D parameters only.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mnist_core.errors import OptimizerError, UserError, unknown_name
from mnist_core.optim import custom

if TYPE_CHECKING:
    import torch

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """One optimizer: its class, what differs from the library's defaults, its search range."""

    name: str
    label: str
    class_name: str
    """Name within torch.optim."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments that make it this optimizer; all others keep the library's default."""
    uncaptured_because: str = ""
    """Why its steps cannot be captured; empty where they can."""
    default_learning_rate: float = 1e-3
    """The library's own default (a test compares it with the signature)."""
    learning_rate_range: tuple[float, float]
    """Bounds of the log-uniform search."""
    reason: str
    """Why this range."""


def _spec(
    class_name: str,
    learning_rate_range: tuple[float, float],
    reason: str,
    *,
    name: str | None = None,
    label: str | None = None,
    **others: Any,
) -> OptimizerSpec:
    """Build a spec; name and label are the class's where they are not given."""
    return OptimizerSpec(
        name=name or class_name.lower(),
        label=label or class_name,
        class_name=class_name,
        learning_rate_range=learning_rate_range,
        reason=reason,
        **others,
    )


_MOMENTUM_REASON = "momentum 0.9 multiplies the effective step by 10: a decade below SGD"
_SPECS = (
    _spec(
        "SGD",
        (1e-2, 1.0),
        "plain SGD on this network learns too slowly to matter below 0.01 and diverges near 1",
    ),
    _spec(
        "SGD",
        (1e-3, 0.3),
        _MOMENTUM_REASON,
        name="momentum",
        label="SGD + momentum",
        options={"momentum": 0.9},
    ),
    _spec(
        "SGD",
        (1e-3, 0.3),
        _MOMENTUM_REASON,
        name="nesterov",
        label="SGD + Nesterov",
        options={"momentum": 0.9, "nesterov": True},
    ),
    _spec(
        "RMSprop",
        (2e-4, 2e-2),
        "steps are about the learning rate itself, as Adam's, without bias correction to soften "
        "the first ones: half of Adam's rates",
        default_learning_rate=1e-2,
    ),
    _spec(
        "Adam",
        (5e-4, 5e-2),
        "two decades, from half the library's default upwards: short annealed runs like larger "
        "steps",
    ),
    _spec("AdamW", (5e-4, 5e-2), "the same as Adam, so that the two differ in weight decay alone"),
    _spec("NAdam", (5e-4, 5e-2), "the same as Adam", default_learning_rate=2e-3),
    _spec("RAdam", (5e-4, 5e-2), "the same as Adam"),
    _spec(
        "Adamax",
        (5e-4, 5e-2),
        "the same as Adam; its infinity norm makes smaller steps, so the best is higher up",
        default_learning_rate=2e-3,
    ),
    _spec(
        "Adagrad",
        (1e-3, 0.1),
        "its steps shrink as gradients accumulate: a decade above Adam",
        default_learning_rate=1e-2,
    ),
    _spec(
        "Adadelta",
        (0.05, 5.0),
        "the method sets its own units; 1.0 is both the paper's and the library's",
        default_learning_rate=1.0,
    ),
    _spec(
        "ASGD",
        (1e-2, 1.0),
        "the same as SGD, whose steps it takes; the average is not what is evaluated",
        default_learning_rate=1e-2,
    ),
    _spec(
        "Adafactor",
        (3e-4, 0.1),
        "its updates are scaled by the parameters' norm: wider upwards than Adam",
        uncaptured_because="its step reads its counter on the host",
        default_learning_rate=1e-2,
    ),
)

OPTIMIZERS: dict[str, OptimizerSpec] = {spec.name: spec for spec in _SPECS}


def optimizer_spec(name: str) -> OptimizerSpec:
    """Return the registry's entry, or raise `UserError` naming the known ones."""
    if name not in OPTIMIZERS:
        known = unknown_name("optimizer", name, OPTIMIZERS)
        raise UserError(f"{known}; or a custom one as package.module:Class")
    return OPTIMIZERS[name]


def require_optimizer(name: str) -> None:
    """Raise `UserError` for a name that is neither registered nor formed as a custom one.

    Nothing is imported: whether such a class exists shows when it is built.
    """
    if custom.is_custom(name):
        custom.require_form(name)
    else:
        optimizer_spec(name)


def optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """Return the class behind a name."""
    if custom.is_custom(name):
        return custom.load_class(name)
    registered: type[torch.optim.Optimizer] = getattr(
        importlib.import_module("torch.optim"), optimizer_spec(name).class_name
    )
    return registered


def default_learning_rate(name: str) -> float:
    """Return the registry's default, or that of the signature of a custom optimizer."""
    if not custom.is_custom(name):
        return optimizer_spec(name).default_learning_rate
    default = custom.default_learning_rate(name)
    if default is None:
        raise UserError(f"{name} has no default for lr in its signature; name a learning rate")
    return default


def build_optimizer(
    name: str,
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: float,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> torch.optim.Optimizer:
    """Build the optimizer over `parameters`, each of which it must own exactly once.

    `options` are further arguments of its constructor, before the registry's own ones. On CUDA
    the learning rate is a tensor where its steps can be captured. Raises `OptimizerError` where
    the constructor refuses its options.
    """
    import torch

    require_optimizer(name)
    owned = list(parameters)
    if len({id(parameter) for parameter in owned}) != len(owned):
        raise UserError("an optimizer must own every parameter exactly once, got one twice")
    found = optimizer_class(name)
    on_cuda = any(parameter.is_cuda for parameter in owned)
    if not custom.is_custom(name):
        options = {**_kernels(found, on_cuda=on_cuda), **optimizer_spec(name).options, **options}
    custom.require_arguments(name, found, ["lr", *options])
    try:
        optimizer = found(owned, lr=learning_rate, **options)  # type: ignore[call-arg]
    except Exception as error:
        arguments = {"lr": learning_rate, **options}
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise OptimizerError(f"{name} refused {given}: {custom.one_line(error)}") from error
    if any("lr" not in group for group in optimizer.param_groups):
        raise OptimizerError(
            f"{name} must keep lr in its param_groups, where the schedule sets it: pass "
            "dict(lr=lr, ...) as the defaults of torch.optim.Optimizer"
        )
    if on_cuda and not uncaptured_because(name):
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=owned[0].device)
    return optimizer


def _kernels(found: type[torch.optim.Optimizer], *, on_cuda: bool) -> dict[str, bool]:
    """Return the arguments of one of torch's classes that choose its kernels: fused ones (the
    same update in one pass) where it has them, and on CUDA those that a graph can capture."""
    known = inspect.signature(found).parameters
    chosen = {"fused": True} if "fused" in known else {}
    if on_cuda and "capturable" in known:
        chosen |= {"capturable": True} if chosen else {"capturable": True, "foreach": True}
    return chosen


def uncaptured_because(name: str) -> str:
    """Return why an optimizer's steps are not captured in a CUDA graph; empty where they are."""
    if custom.is_custom(name):
        return "nothing is known of what its step does"
    return optimizer_spec(name).uncaptured_because


def capture_notes(names: Iterable[str], *, device: str) -> list[str]:
    """Return a line for each optimizer whose steps the host must take one by one on CUDA."""
    reasons = {name: uncaptured_because(name) for name in names} if device == "cuda" else {}
    return [
        f"{name}'s steps are not captured in a CUDA graph: {reason}"
        for name, reason in reasons.items()
        if reason
    ]
