"""mnist_core.models.cost: parameters, activations and FLOPs are those that torch counts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from mnist_core.models.cost import layer_costs, parameter_count, training_flops
from mnist_core.models.network import build_network

CPU = torch.device("cpu")


def test_the_network_has_23354_parameters():
    assert parameter_count(build_network(seed=0, device=CPU)) == 23_354


def test_frozen_parameters_are_not_counted():
    net = build_network(seed=0, device=CPU)
    net.fc1.requires_grad_(requires_grad=False)
    assert parameter_count(net) == 23_354 - 6_010


def test_the_layer_table_is_the_readmes_with_its_sum_corrected():
    table = [
        (c.name, c.kind, c.output_shape, c.parameters, c.activations)
        for c in layer_costs(build_network(seed=0, device=CPU))
    ]
    assert table == [
        ("conv1", "Conv2d", (16, 26, 26), 160, 10_816),
        ("conv2", "Conv2d", (32, 24, 24), 4_640, 18_432),
        ("conv3", "Conv2d", (40, 10, 10), 11_560, 4_000),
        ("conv4", "Conv2d", (24, 5, 5), 984, 600),
        ("fc1", "Linear", (10,), 6_010, 10),
    ]


def test_forward_flops_are_what_torch_counts_layer_by_layer():
    net = build_network(seed=0, device=CPU)
    costs = layer_costs(net)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 1, 28, 28))
    counted = {
        name.removeprefix("Network."): sum(by_operator.values())
        for name, by_operator in counter.get_flop_counts().items()
        if name.startswith("Network.")
    }
    assert {cost.name: cost.forward_flops for cost in costs} == counted


def test_training_flops_are_what_torch_counts_forward_and_backward():
    net = build_network(seed=0, device=CPU)
    with FlopCounterMode(display=False) as counter:
        F.nll_loss(net(torch.zeros(4, 1, 28, 28)), torch.zeros(4, dtype=torch.int64)).backward()
    assert 4 * training_flops(layer_costs(net)) == counter.get_total_flops()


def test_describing_leaves_no_hook_and_no_gradient_behind():
    net = build_network(seed=0, device=CPU)
    layer_costs(net)
    assert not any(layer._forward_hooks for layer in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
