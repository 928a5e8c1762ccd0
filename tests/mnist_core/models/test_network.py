"""The baseline is the original README's network: parameters, function, gradients, costs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnist_core.models.network import Network, build_network, weights_digest

CPU = torch.device("cpu")


class ReadmeNet(nn.Module):
    """The network of the README that this project grew from, word for word."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3)
        self.conv3 = nn.Conv2d(32, 40, kernel_size=3)
        self.conv4 = nn.Conv2d(40, 24, kernel_size=1)
        self.fc1 = nn.Linear(24 * 5 * 5, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv3(x))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv4(x))
        x = x.view(-1, 24 * 5 * 5)
        x = self.fc1(x)
        return F.log_softmax(x, dim=1)


def images_of(kind: str, count: int) -> torch.Tensor:
    if kind == "constant":  # every pooling window is a tie
        return torch.zeros(count, 1, 28, 28)
    if kind == "blocky":  # many ties
        coarse = torch.randint(0, 3, (count, 1, 7, 7), generator=torch.Generator().manual_seed(1))
        return F.interpolate(coarse.float(), size=28)
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def outputs_and_gradients(model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    images = images.clone().requires_grad_(requires_grad=True)
    labels = torch.arange(len(images)) % 10
    outputs = model(images)
    F.nll_loss(outputs, labels).backward()
    return [outputs.detach(), images.grad, *(p.grad for p in model.parameters())]


def pair(seed: int) -> tuple[ReadmeNet, Network]:
    net = build_network(seed=seed, device=CPU).to(memory_format=torch.contiguous_format)
    readme_net = ReadmeNet()
    readme_net.load_state_dict(net.state_dict())
    return readme_net, net


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.int32)


@pytest.mark.parametrize("kind", ["random", "blocky", "constant"])
@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 64), (2, 37)])
def test_pooling_before_relu_is_the_readmes_forward_and_backward_bit_for_bit(seed, count, kind):
    readme_net, net = pair(seed)
    images = images_of(kind, count)
    expected, actual = (outputs_and_gradients(model, images) for model in (readme_net, net))
    assert all(torch.equal(bits(e), bits(a)) for e, a in zip(expected, actual, strict=True))


def test_relu_writes_over_what_it_reads():
    net, kept = build_network(seed=0, device=CPU), {}
    for name, layer in net.named_children():
        layer.register_forward_hook(
            lambda _layer, inputs, output, name=name: kept.update(
                {name: (inputs[0].data_ptr(), output.data_ptr())}
            )
        )
    net(images_of("random", 8))
    in_place = {name for name, (read, written) in kept.items() if read == written}
    assert in_place >= {"relu1", "relu2", "relu3", "relu4"}


@pytest.mark.parametrize("kind", ["random", "blocky"])
def test_channels_last_memory_is_the_readmes_function_to_rounding(kind):
    readme_net, net = pair(0)
    net = net.to(memory_format=torch.channels_last)
    images = images_of(kind, 64)
    expected = outputs_and_gradients(readme_net, images)
    actual = outputs_and_gradients(net, images.to(memory_format=torch.channels_last))
    for e, a in zip(expected, actual, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-5)


def test_the_network_is_built_in_channels_last_memory():
    net = build_network(seed=0, device=CPU)
    assert net.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert not net.conv2.weight.is_contiguous()


def test_the_initialisation_follows_the_seed_alone():
    digests = []
    for global_seed, seed in ((1, 0), (2, 0), (1, 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            digests.append(weights_digest(build_network(seed=seed, device=CPU)))
    assert digests[0] == digests[1] != digests[2]


def test_building_leaves_torchs_global_generator_alone():
    before = torch.random.get_rng_state()
    build_network(seed=0, device=CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_initialisation_has_torchs_default_distribution():
    weights = build_network(seed=0, device=CPU).fc1.weight.detach()
    bound = 600**-0.5  # kaiming_uniform_(a=√5): uniform in ±1/√fan_in
    assert float(weights.abs().max()) <= bound
    assert float(weights.std()) == pytest.approx(bound / 3**0.5, rel=0.03)


def test_the_digest_does_not_depend_on_the_memory_format():
    net = build_network(seed=0, device=CPU)
    digest = weights_digest(net)
    assert weights_digest(net.to(memory_format=torch.contiguous_format)) == digest


def test_the_digest_changes_with_the_smallest_change_of_any_weight():
    net = build_network(seed=0, device=CPU)
    digests = {weights_digest(net)}
    for parameter in net.parameters():
        with torch.no_grad():
            first = parameter.view(-1)[:1] if parameter.is_contiguous() else parameter[0, 0, 0]
            first.copy_(torch.nextafter(first, torch.full_like(first, 9.0)))
        digests.add(weights_digest(net))
    assert len(digests) == 1 + 10
