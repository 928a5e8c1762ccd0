"""Custom optimizers, `package.module:Class`: import and check a user's class.

It is a subclass of torch.optim.Optimizer. Its constructor takes the parameters and `lr`, and it
keeps `lr` in its parameter groups, where the schedule sets it. What it remembers between steps
must lie in `self.state` and `self.param_groups`, which `saved_state` saves. Importing this module
imports neither torch nor the user's code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.errors import UserError

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
WHERE = (
    "it is looked for in the folder where the command is started and on PYTHONPATH: start the "
    "command beside it, or add its folder to PYTHONPATH"
)


def is_custom(name: str) -> bool:
    """Tell whether a name is of the form `package.module:Class`, not one of the registry."""
    return ":" in name


def require_form(name: str) -> None:
    """Raise `UserError` where a name has not the form `package.module:Class`; import nothing."""
    if not _NAME.fullmatch(name):
        raise UserError(f"a custom optimizer must be named as package.module:Class, got {name!r}")


def load_class(name: str) -> type[torch.optim.Optimizer]:
    """Import the class, or raise `UserError` with the reason why it cannot be used."""
    import torch

    require_form(name)
    module_name, class_name = name.split(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        missing = getattr(error, "name", None) if type(error) is ModuleNotFoundError else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise UserError(f"{name}: there is no module {missing!r}; {WHERE}") from error
        raise UserError(f"{name}: importing {module_name} failed: {one_line(error)}") from error
    except SystemExit as error:
        raise UserError(
            f"{name}: importing {module_name} ends the program ({one_line(error)}): what it runs "
            "as a script, such as parse_args, belongs under if __name__ == '__main__'"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        optimizers = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, torch.optim.Optimizer)
        ]
        known = f"; its optimizers: {', '.join(sorted(optimizers))}" if optimizers else ""
        raise UserError(f"{name}: {module_name} has no {class_name!r}{known}")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise UserError(f"{name} must be a subclass of torch.optim.Optimizer, got {found!r}")
    return found


def require_arguments(
    name: str, optimizer_class: type[torch.optim.Optimizer], names: Iterable[str]
) -> None:
    """Raise `UserError` where the constructor has no argument of one of these names."""
    parameters = inspect.signature(optimizer_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [key for key in list(parameters)[1:] if key != "lr"]
    for argument in names:
        if argument == "lr" and "lr" not in parameters:
            raise UserError(
                f"{name} must take its learning rate as the argument lr; it takes "
                f"{', '.join(parameters)}"
            )
        if argument not in parameters:
            raise UserError(
                f"{name} takes no argument {argument!r}; it takes {', '.join(known) or 'none'}"
            )


def signature_defaults(optimizer_class: type[torch.optim.Optimizer]) -> dict[str, Any]:
    """Return the defaults in the constructor's signature, by argument."""
    return {
        key: parameter.default
        for key, parameter in inspect.signature(optimizer_class).parameters.items()
        if parameter.default is not parameter.empty
    }


def default_learning_rate(name: str) -> float | None:
    """Return the `lr` of the class's signature; None where it has no number there."""
    optimizer_class = load_class(name)
    require_arguments(name, optimizer_class, ["lr"])
    default = signature_defaults(optimizer_class).get("lr")
    return float(default) if isinstance(default, int | float) and default > 0 else None


def source_sha256(name: str) -> str | None:
    """Return the SHA-256 of the module's file; None where it has none.

    What the module itself imports is not part of it.
    """
    require_form(name)
    try:
        spec = importlib.util.find_spec(name.split(":")[0])
    except (Exception, SystemExit):  # in its package; load_class reports it
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def one_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
