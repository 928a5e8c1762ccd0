"""mnist_core.training.checkpoint: whole or refused, written atomically, never a pickle."""

from __future__ import annotations

import contextlib
import json
import pickle
import resource

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import ROOT

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.models.network import Network, build_network, weights_digest
from mnist_core.training.checkpoint import (
    FORMAT,
    _digest,
    _metadata,
    read_checkpoint,
    write_checkpoint,
)

CPU = torch.device("cpu")
RECORD = {"epochs": [], "diverged_at_step": None}


def write(path, *, record=RECORD, dataset_sha256: str = "abc") -> Network:
    network = build_network(seed=0, device=CPU)
    write_checkpoint(
        path,
        config=TrainConfig(),
        record=record,
        dataset_sha256=dataset_sha256,
        network=network,
    )
    return network


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write(path)
    return path


def error_of(path) -> str:
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    return str(caught.value)


def rewrite(path, *, without: str | None = None, **changes: str) -> None:
    """Write the file again with another header."""
    metadata = {**_metadata(path.read_bytes()), **changes}
    metadata.pop(without, None)
    save_file(load_file(path), path, metadata=metadata)


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    record = {"epochs": [{"epoch": 1, "validation_accuracy": 0.5}], "diverged_at_step": 3}
    network = write(path, record=record, dataset_sha256="of the data")
    saved = read_checkpoint(path)
    assert (saved.config, saved.record) == (TrainConfig(), record)
    assert saved.dataset_sha256 == "of the data"
    assert weights_digest(saved.network(device=CPU)) == weights_digest(network)


def test_the_weights_open_with_safetensors_alone(path):
    names = set(load_file(path))
    expected = build_network(seed=0, device=CPU).state_dict()
    assert names == {f"model.{name}" for name in expected}


def test_a_missing_file_is_refused_by_name(tmp_path):
    message = error_of(tmp_path / "missing")
    assert f"cannot read the checkpoint {tmp_path / 'missing'}: No such file" in message
    assert "name another" in message


def test_an_unreadable_file_is_refused_by_name(tmp_path):
    assert f"cannot read the checkpoint {tmp_path}: Is a directory" in error_of(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 500, 5_000, 50_000, -1])
def test_a_truncated_file_is_refused_with_the_way_out(keep, path):
    path.write_bytes(path.read_bytes()[:keep])
    message = error_of(path)
    assert f"{path} is not a whole checkpoint" in message
    assert "delete it and train again, or name another" in message


def test_a_longer_file_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert f"{path} is not a whole checkpoint" in error_of(path)


def test_a_flipped_bit_anywhere_is_refused(path):
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    positions = [*range(0, header, 7), *range(header, len(content), 3_001), len(content) - 1]
    for number, position in enumerate(positions):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (number % 8)
        path.write_bytes(damaged)
        assert f"{path} is not a whole checkpoint" in error_of(path), f"byte {position}"


@pytest.mark.parametrize("key", ["config", "record", "dataset_sha256"])
def test_an_altered_header_is_refused(key, path):
    value = _metadata(path.read_bytes())[key]
    rewrite(path, **{key: value.replace("a", "b", 1)})
    assert "is not a whole checkpoint" in error_of(path)


@pytest.mark.parametrize("key", ["format", "config", "record", "dataset_sha256", "sha256"])
def test_an_incomplete_header_is_refused(key, path):
    rewrite(path, without=key)
    assert f"{path} is not a whole checkpoint" in error_of(path)


def test_another_format_is_refused_by_both_names(path):
    rewrite(path, format="compact-mnist checkpoint 0")
    message = error_of(path)
    for part in (str(path), "compact-mnist checkpoint 0", FORMAT, "train again"):
        assert part in message


def test_a_configuration_of_another_version_is_refused_with_the_file(path):
    metadata = _metadata(path.read_bytes())
    metadata["config"] = json.dumps({**TrainConfig().to_dict(), "dropout": 0.1})
    tensors = load_file(path)
    metadata["sha256"] = _digest(metadata, tensors)
    save_file(tensors, path, metadata=metadata)
    assert f"{path} is not a whole checkpoint (unknown configuration key" in error_of(path)


def test_safetensors_of_somebody_else_are_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert "is not a whole checkpoint" in error_of(tmp_path / "other.safetensors")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, "w")


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_is_refused_and_its_code_not_run(writer, tmp_path):
    path, target = tmp_path / "checkpoint.safetensors", tmp_path / "exploded"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(Bomb(target)))
    else:
        torch.save({"model": Bomb(target)}, path)
    assert "is not a whole checkpoint" in error_of(path)
    assert not target.exists()


def test_neither_writing_nor_reading_touches_pickle(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise AssertionError("a checkpoint went through pickle")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, fail)
    for name in ("save", "load"):
        monkeypatch.setattr(torch, name, fail)
    write(tmp_path / "checkpoint.safetensors")
    read_checkpoint(tmp_path / "checkpoint.safetensors").network(device=CPU)


def test_a_record_with_nan_is_refused_and_the_old_file_kept(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(path, record={"epochs": [float("nan")]})
    assert path.read_bytes() == before


@contextlib.contextmanager
def small_files_only():
    """Refuse writes beyond 10 kB with a real error of the system, as a full disk does.

    Not as a fixture: pytest reports while one holds, into a log that may be longer than that.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_system_cuts_short_leaves_the_old_file_and_no_other(path):
    before = path.read_bytes()
    with small_files_only(), pytest.raises(OSError, match="File too large"):
        write(path, dataset_sha256="new")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/*/*.safetensors")), ids=str)
def test_a_committed_network_is_read_with_the_weights_that_its_run_recorded(path):
    recorded = json.loads((path.parent / "records" / f"{path.stem}.json").read_text())
    saved = read_checkpoint(path)
    assert weights_digest(saved.network(device=CPU)) == recorded["weights_sha256"]
