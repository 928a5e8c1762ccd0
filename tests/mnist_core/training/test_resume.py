"""mnist_core.training.resume: a whole state of a run, or a refusal; no code of a file runs."""

from __future__ import annotations

import pickle

import pytest
import torch

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError
from mnist_core.training import resume
from mnist_core.training.loop import train


@pytest.fixture(scope="module")
def content(small_digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "resume.pt"
    config = TrainConfig(dataset=small_digits.name, epochs=1, averaging=0.9)
    train(config, small_digits, resume_file=path)
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    path = tmp_path / "resume.pt"
    path.write_bytes(content)
    return path


def error_of(path) -> str:
    with pytest.raises(UserError) as caught:
        resume.read(path)
    return str(caught.value)


def rewrite(path, *, without: str | None = None, **changes: object) -> None:
    """Write the file again with other values."""
    values = {**torch.load(path, weights_only=True), **changes}
    values.pop(without, None)
    torch.save(values, path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    message = error_of(tmp_path / "missing")
    assert f"cannot read the state {tmp_path / 'missing'}: No such file" in message
    assert "name another folder" in message


@pytest.mark.parametrize("keep", [0, 1, 500, 5_000, 100_000, -1])
def test_a_truncated_file_is_refused_with_the_way_out(keep, path):
    path.write_bytes(path.read_bytes()[:keep])
    message = error_of(path)
    assert f"{path} is not a whole state of a run" in message
    assert "delete it and train again, or name another folder" in message


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.stride() == other.stride()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_flipped_bit_is_refused_or_lies_where_it_changes_nothing(path):
    content, whole = path.read_bytes(), resume.read(path)
    refused = 0
    positions = range(0, len(content), 1_009)
    for number, position in enumerate(positions):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (number % 8)
        path.write_bytes(damaged)
        try:
            found = resume.read(path)
        except UserError:
            refused += 1
        else:
            assert same(vars(found), vars(whole)), f"byte {position}"
    assert refused > 0.8 * len(positions)


@pytest.mark.parametrize("key", ["format", "config", "record", "dataset_sha256", "state"])
def test_an_incomplete_state_is_refused(key, path):
    rewrite(path, without=key)
    assert f"{path} is not a whole state of a run" in error_of(path)


def test_another_format_is_refused(path):
    rewrite(path, format="compact-mnist resume state 0")
    assert f"its format must be {resume.FORMAT!r}" in error_of(path)


def test_a_configuration_of_another_version_is_refused_with_the_file(path):
    config = torch.load(path, weights_only=True)["config"]
    rewrite(path, config={**config, "dropout": 0.1})
    assert f"{path} is not a whole state of a run (unknown configuration key" in error_of(path)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, "w")


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_the_code_of_a_foreign_file_is_not_run(writer, path, tmp_path):
    target = tmp_path / "exploded"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(Bomb(target)))
    else:
        rewrite(path, state=Bomb(target))
    assert "is not a whole state of a run" in error_of(path)
    assert not target.exists()
