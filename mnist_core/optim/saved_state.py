"""What an optimizer remembers between steps, as values that `torch.save` writes and
`torch.load(weights_only=True)` reads back.

Registered and custom optimizers are treated alike: `state` and `param_groups` are saved and put
back to the bit. `Optimizer.load_state_dict` would convert the state to the type of the weights.
"""

import io
from typing import Any

import torch

from mnist_core.errors import OptimizerError


def saved_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state, with numbers in the place of parameters, and the parameter groups.

    What cannot be saved is an `OptimizerError` where it lies in the state; a group's value is then
    left out, and the constructor's is used again.
    """
    numbers = {id(parameter): number for number, parameter in enumerate(_parameters(optimizer))}
    state: dict[int | str, Any] = {}
    for key, value in optimizer.state.items():
        name = key if isinstance(key, str) else numbers.get(id(key))
        if name is None:
            raise OptimizerError(
                "the optimizer's state cannot be saved: its keys must be parameters or texts, "
                f"got {type(key).__name__}"
            )
        state[name] = value
    if not _is_savable(state):
        raise OptimizerError(
            f"the optimizer's state cannot be saved: {_culprit(state, 'state')}; keep tensors, "
            "numbers, texts, and lists, tuples and mappings of them"
        )
    groups = [
        {name: value for name, value in group.items() if name != "params" and _is_savable(value)}
        for group in optimizer.param_groups
    ]
    return {"state": state, "groups": groups}


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Put back what `saved_state` returned, into an optimizer of the same configuration."""
    parameters = _parameters(optimizer)
    for key, value in saved["state"].items():
        target: Any = parameters[key] if isinstance(key, int) else key
        optimizer.state[target] = value
    for group, values in zip(optimizer.param_groups, saved["groups"], strict=True):
        group |= values


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _is_savable(value: object) -> bool:
    """Tell whether a value can be written, and read without running code of the file."""
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:  # whatever pickle, or a class of the user's, raises
        return False
    return True


def _culprit(value: object, place: str) -> str:
    """Return the place and the type of the innermost value that cannot be saved."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list | tuple):
        inner = enumerate(value)
    for key, item in inner:
        if not _is_savable(item):
            return _culprit(item, f"{place}.{key}")
    return f"{place} is of type {type(value).__name__}"
