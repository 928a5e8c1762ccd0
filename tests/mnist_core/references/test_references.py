"""mnist_core.references: other people's networks have their parameters, and learn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mnist_core.references import plain_pytorch, pytorch_examples, train_mnist_fast
from mnist_core.references.__main__ import main
from mnist_core.references.registry import REFERENCES

NETWORKS = {
    "plain": plain_pytorch.Net,
    "pytorch-examples": pytorch_examples.network,
    "train-mnist-fast": train_mnist_fast.network,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_has_the_parameters_that_are_stated(name):
    network = NETWORKS[name]()
    assert sum(p.numel() for p in network.parameters()) == REFERENCES[name].parameters
    output = network.eval()(torch.rand(3, 1, 28, 28))
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs"), [("plain", 15), ("pytorch-examples", 4), ("train-mnist-fast", 12)]
)
def test_a_reference_learns_and_prints_the_outcome(
    name, epochs, learnable_mnist, monkeypatch, capsys
):
    monkeypatch.setitem(REFERENCES, name, replace(REFERENCES[name], epochs=epochs))
    assert main([name, "--data-dir", str(learnable_mnist), "--seed", "3"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["name"] == name
    assert outcome["seed"] == 3
    assert outcome["epochs"] == epochs
    assert outcome["parameters"] == REFERENCES[name].parameters
    assert outcome["seconds"] > 0
    assert outcome["threads"] == 1
    assert outcome["test"]["count"] == 200
    assert outcome["test"]["correct"] > 60  # guessing: 20
