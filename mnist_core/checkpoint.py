"""Checkpoints: one safetensors file with weights, optimizer state and what was recorded.

Written atomically after every epoch. Reading one runs no code: tensors lie as plain bytes, the
rest is JSON in the header, and a SHA-256 over all of it tells a damaged file.
"""

from __future__ import annotations

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

from mnist_core import model as model_module
from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.report import write_atomically

FORMAT = "compact-mnist checkpoint 1"
_MODEL, _STATE = "model.", "optimizer."
_DIGEST = "sha256"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state after some epochs of a run."""

    config: TrainConfig
    record: dict[str, Any]
    """What `train` recorded so far, JSON-ready."""
    dataset_sha256: str
    tensors: Mapping[str, Tensor]

    def restore_model(self, model: nn.Module) -> None:
        """Load the weights into `model`."""
        weights = _with_prefix(self.tensors, _MODEL)
        with torch.no_grad():
            for name, target in model.state_dict().items():
                target.copy_(weights[name])

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the optimizer's state; its hyperparameters come from the configuration."""
        owned = [parameter for group in optimizer.param_groups for parameter in group["params"]]
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

    def model(self, *, device: torch.device) -> nn.Module:
        """Build the network with these weights."""
        model = model_module.build(seed=self.config.seed, device=device)
        self.restore_model(model)
        return model


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
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def write(
    path: Path,
    *,
    config: TrainConfig,
    record: dict[str, Any],
    dataset_sha256: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint atomically."""
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:  # momentum_buffer of plain SGD
                tensors[f"{_STATE}{index}.{name}"] = torch.as_tensor(value)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(config.to_dict()),
        "record": json.dumps(record, allow_nan=False),
        "dataset_sha256": dataset_sha256,
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
            tensors=tensors,
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
