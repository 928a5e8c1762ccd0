"""Checkpoints: one safetensors file with weights, optimizer state and what was recorded.

Written atomically after every epoch. Reading one runs no code: tensors lie as plain bytes, the
rest is JSON in the header, and a SHA-256 over all of it tells a damaged file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from mnist_core.config import TrainConfig
from mnist_core.errors import OptimizerError, UserError
from mnist_core.models.network import Network
from mnist_core.optim.custom import is_custom
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.training import build
from mnist_core.training.packing import pack, unpack

FORMAT = "compact-mnist checkpoint 1"
_MODEL, _TRAINED, _STATE, _OWN = "model.", "trained.", "optimizer.", "own"
_DIGEST = "sha256"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state after some epochs of a run."""

    config: TrainConfig
    record: dict[str, Any]
    """What `train` recorded so far, JSON-ready."""
    dataset_sha256: str
    device: str | None = None
    """Where it was trained, cpu or cuda; None in a file from before this was kept."""
    threads: int | None = None
    """CPU threads it was trained with; None likewise."""
    tensors: Mapping[str, Tensor]
    custom_optimizer: Any = None
    """What a user's own optimizer remembered, packed."""

    def restore_model(self, model: nn.Module) -> None:
        """Load the weights into `model`: the averaged ones where weights are averaged."""
        _load_weights(model, _with_prefix(self.tensors, _MODEL))

    def restore_trained(self, model: nn.Module) -> None:
        """Load the weights that training goes on with."""
        prefix = _TRAINED if self.config.averaging else _MODEL
        _load_weights(model, _with_prefix(self.tensors, prefix))

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the optimizer's state; the hyperparameters of one of the registry come from the
        configuration."""
        if self.custom_optimizer is not None:
            _restore_own(optimizer, self.custom_optimizer, self.tensors)
            return
        owned = _owned(optimizer)
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _with_prefix(self.tensors, _STATE).items():
            index, name = key.split(".", 1)
            parameter = owned[int(index)]
            if tensor.shape == parameter.shape:
                # Fused kernels walk weights, gradients and state in the order of memory: the
                # state of a channels-last weight must lie in channels-last memory too.
                tensor = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
            state.setdefault(int(index), {})[name] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})

    def model(self, *, device: torch.device) -> Network:
        """Build the network with these weights."""
        model = build.network(self.config, device=device)
        self.restore_model(model)
        return model


def _load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, target in model.state_dict().items():
            target.copy_(weights[name])


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    header = {key: value for key, value in metadata.items() if key != _DIGEST}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _owned(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _pack_own(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> Any:
    """Pack what a user's optimizer remembers, in `state` and in its parameter groups.

    A group's value of a kind that cannot be saved is left to the constructor.
    """
    index = {id(parameter): number for number, parameter in enumerate(_owned(optimizer))}
    state = []
    for key, value in optimizer.state.items():
        number = index.get(id(key), key)
        if not isinstance(number, int | str):
            raise OptimizerError(
                "the optimizer's state cannot be saved: its keys must be parameters or texts, "
                f"got {type(key).__name__}"
            )
        state.append([number, pack(value, place=f"{_OWN}.{number}", tensors=tensors)])
    groups: list[dict[str, Any]] = []
    for place, group in enumerate(optimizer.param_groups):
        groups.append({})
        for name, value in group.items():
            if name != "params":
                with contextlib.suppress(OptimizerError):
                    where = f"{_OWN}.group{place}.{name}"
                    groups[-1][name] = pack(value, place=where, tensors=tensors)
    return {"state": state, "groups": groups}


def require_savable(optimizer: torch.optim.Optimizer) -> None:
    """Raise `OptimizerError` where a checkpoint could not hold what a user's optimizer
    remembers."""
    _pack_own(optimizer, {})


def _restore_own(
    optimizer: torch.optim.Optimizer, packed: Any, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `_pack_own` took, to the bit: `load_state_dict` would change its types."""
    owned = _owned(optimizer)
    for key, values in packed["state"]:
        target: Any = owned[key] if isinstance(key, int) else key
        optimizer.state[target] = unpack(values, tensors=tensors)
    for group, values in zip(optimizer.param_groups, packed["groups"], strict=True):
        group |= {name: unpack(value, tensors=tensors) for name, value in values.items()}


def write(
    path: Path,
    *,
    config: TrainConfig,
    record: dict[str, Any],
    dataset_sha256: str,
    model: nn.Module,
    trained: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None,
) -> None:
    """Write a checkpoint atomically; a state that cannot be saved is an `OptimizerError`.

    `model` is what the run is for, `trained` what its next step changes, where that is another
    network because weights are averaged. Without an optimizer it is a finished run's network.
    """
    tensors: dict[str, Tensor] = {}
    own = None
    if optimizer is not None and is_custom(config.optimizer):
        own = json.dumps(_pack_own(optimizer, tensors))
    tensors |= {_MODEL + name: value for name, value in model.state_dict().items()}
    if trained is not None and trained is not model:
        tensors |= {_TRAINED + name: value for name, value in trained.state_dict().items()}
    state_of = {} if own or optimizer is None else optimizer.state_dict()["state"]
    for index, state in state_of.items():
        for name, value in state.items():
            if value is not None:  # momentum_buffer of plain SGD
                tensors[f"{_STATE}{index}.{name}"] = torch.as_tensor(value)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(config.to_dict()),
        "record": json.dumps(record, allow_nan=False),
        "dataset_sha256": dataset_sha256,
        "device": next(model.parameters()).device.type,
        "threads": str(torch.get_num_threads()),
        **({_OWN: own} if own else {}),
    }
    metadata[_DIGEST] = _digest(metadata, tensors)
    write_atomically(path, save(tensors, metadata=metadata))


def read(path: Path) -> Checkpoint:
    """Read a checkpoint; anything that is not a whole one of this format is a `UserError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the checkpoint {path}: {error.strerror}; name another, or train again"
        ) from error
    try:
        tensors = load(data)
        metadata = _metadata(data)
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}, got {metadata['format']!r}")
        if metadata[_DIGEST] != _digest(metadata, tensors):
            raise ValueError("its content does not have the digest in its header")
        return Checkpoint(
            config=TrainConfig.from_dict(json.loads(metadata["config"])),
            record=json.loads(metadata["record"]),
            dataset_sha256=metadata["dataset_sha256"],
            device=metadata.get("device"),
            threads=int(metadata["threads"]) if "threads" in metadata else None,
            tensors=tensors,
            custom_optimizer=json.loads(metadata.get(_OWN, "null")),
        )
    except (SafetensorError, KeyError, ValueError, TypeError, UserError) as error:
        raise UserError(
            f"{path} is not a whole checkpoint ({error}); delete it and train again, or name "
            "another"
        ) from error


def _metadata(data: bytes) -> dict[str, str]:
    """Read the header of a safetensors file: an 8-byte little-endian length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata
