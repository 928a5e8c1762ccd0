"""mnist_core.optim.saved_state: what an optimizer remembers comes back to the bit."""

from __future__ import annotations

import pytest
import torch

from mnist_core.errors import OptimizerError
from mnist_core.models.network import build_network
from mnist_core.optim.registry import build_optimizer
from mnist_core.optim.saved_state import restore_optimizer, saved_state
from mnist_core.training.step import training_step

CPU = torch.device("cpu")


def trained(name: str) -> torch.optim.Optimizer:
    network = build_network(seed=0, device=CPU)
    optimizer = build_optimizer(name, network.parameters(), learning_rate=0.01)
    images = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    training_step(network, optimizer, images, torch.arange(8))
    return optimizer


def restored(optimizer: torch.optim.Optimizer, name: str, path) -> torch.optim.Optimizer:
    """Return another optimizer with the state of one, by way of a file."""
    torch.save(saved_state(optimizer), path)
    network = build_network(seed=1, device=CPU)
    other = build_optimizer(name, network.parameters(), learning_rate=0.5)
    restore_optimizer(other, torch.load(path, weights_only=True))
    return other


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "asgd", "nadam", "adafactor"])
def test_a_restored_optimizer_has_the_state_to_the_bit(name, tmp_path):
    optimizer = trained(name)
    expected, actual = (
        of.state_dict() for of in (optimizer, restored(optimizer, name, tmp_path / "file"))
    )
    assert actual["param_groups"] == expected["param_groups"]
    assert actual["state"].keys() == expected["state"].keys()
    for index, state in expected["state"].items():
        assert actual["state"][index].keys() == state.keys()
        for key, value in state.items():
            result = actual["state"][index][key]
            assert type(result) is type(value)
            if torch.is_tensor(value):
                assert torch.equal(result, value), f"{index}.{key}"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_come_back_with_type_values_and_order_in_memory(dtype, tmp_path):
    value = torch.arange(24).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last).to(dtype)
    optimizer = trained("sgd")
    optimizer.state["extra"] = {"nested": (1, [value])}
    found = restored(optimizer, "sgd", tmp_path / "file").state["extra"]["nested"][1][0]
    assert torch.equal(found, value)
    assert (found.dtype, found.stride()) == (value.dtype, value.stride())


def test_a_key_that_names_nothing_later_is_refused():
    optimizer = trained("sgd")
    optimizer.state[3] = {}
    with pytest.raises(OptimizerError, match="keys must be parameters or texts, got int"):
        saved_state(optimizer)


def test_a_value_of_a_group_that_cannot_be_saved_is_the_constructors_again(tmp_path):
    optimizer = trained("sgd")
    optimizer.param_groups[0] |= {"note": "kept", "call": lambda: None}
    (group,) = restored(optimizer, "sgd", tmp_path / "file").param_groups
    assert group["note"] == "kept"
    assert "call" not in group
