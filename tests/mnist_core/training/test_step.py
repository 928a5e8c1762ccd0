"""The training step: one plain step of torch, no more."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mnist_core.models.network import Network, build_network, weights_digest
from mnist_core.optim.registry import build_optimizer
from mnist_core.training.step import set_learning_rate, training_step

CPU = torch.device("cpu")


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return images.to(memory_format=torch.channels_last), torch.arange(16) % 10


def net_and_optimizer(name: str = "adam") -> tuple[Network, torch.optim.Optimizer]:
    net = build_network(seed=0, device=CPU)
    return net, build_optimizer(name, net.parameters(), learning_rate=0.01)


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam"])
def test_steps_are_plain_torch_steps_bit_for_bit(name, batch):
    net, optimizer = net_and_optimizer(name)
    plain_net, plain_optimizer = net_and_optimizer(name)
    for _ in range(3):
        loss = training_step(net, optimizer, *batch)
        plain_optimizer.zero_grad()
        plain_loss = torch.nn.NLLLoss()(plain_net(batch[0]), batch[1])
        plain_loss.backward()
        plain_optimizer.step()
        assert float(loss) == plain_loss.item()
    assert weights_digest(net) == weights_digest(plain_net)


def test_the_loss_returned_is_of_before_the_step_and_holds_no_graph(batch):
    net, optimizer = net_and_optimizer()
    with torch.no_grad():
        before = F.nll_loss(net(batch[0]), batch[1])
    loss = training_step(net, optimizer, *batch)
    assert float(loss) == float(before)
    assert loss.shape == ()
    assert not loss.requires_grad


def test_gradients_left_from_elsewhere_do_not_reach_the_step(batch):
    net, optimizer = net_and_optimizer("sgd")
    clean_net, clean_optimizer = net_and_optimizer("sgd")
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    training_step(net, optimizer, *batch)
    training_step(clean_net, clean_optimizer, *batch)
    assert weights_digest(net) == weights_digest(clean_net)


def test_the_learning_rate_is_set_in_every_group():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(3)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25] * 3


def test_a_learning_rate_set_between_steps_scales_the_next_step(batch):
    net, optimizer = net_and_optimizer("sgd")
    moved = []
    for learning_rate in (0.01, 0.0):
        before = net.fc1.bias.detach().clone()
        set_learning_rate(optimizer, learning_rate)
        training_step(net, optimizer, *batch)
        moved.append(float((net.fc1.bias.detach() - before).abs().max()))
    assert moved[0] > 0 == moved[1]
