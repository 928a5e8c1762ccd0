"""A run's network in one safetensors file, with the configuration and record it comes from.

Reading one runs no code: tensors lie as plain bytes, the rest is JSON in the header, and a SHA-256
over all of it tells a damaged file. The state from which a run goes on is another file: `resume`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.models.network import Network
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.training import build

FORMAT = "compact-mnist checkpoint 1"
_MODEL = "model."
_DIGEST = "sha256"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network after some epochs of a run."""

    config: TrainConfig
    record: dict[str, Any]
    """What `train` recorded so far, JSON-ready."""
    dataset_sha256: str
    weights: Mapping[str, Tensor]
    """By name; the averaged ones where weights are averaged."""

    def network(self, *, device: torch.device) -> Network:
        """Build the network with these weights."""
        network = build.network(self.config, device=device)
        network.load_state_dict(self.weights)
        return network


def write_checkpoint(
    path: Path,
    *,
    config: TrainConfig,
    record: dict[str, Any],
    dataset_sha256: str,
    network: Network,
) -> None:
    """Write a checkpoint atomically."""
    tensors = {
        _MODEL + name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    metadata = {
        "format": FORMAT,
        "config": json.dumps(config.to_dict()),
        "record": json.dumps(record, allow_nan=False),
        "dataset_sha256": dataset_sha256,
    }
    metadata[_DIGEST] = _digest(metadata, tensors)
    write_atomically(path, save(tensors, metadata=metadata))


def read_checkpoint(path: Path) -> Checkpoint:
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
            weights={name.removeprefix(_MODEL): value for name, value in tensors.items()},
        )
    except (SafetensorError, KeyError, ValueError, TypeError, UserError) as error:
        raise UserError(
            f"{path} is not a whole checkpoint ({error}); delete it and train again, or name "
            "another"
        ) from error


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    header = {key: value for key, value in metadata.items() if key != _DIGEST}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _metadata(data: bytes) -> dict[str, str]:
    """Read the header of a safetensors file: an 8-byte little-endian length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata
