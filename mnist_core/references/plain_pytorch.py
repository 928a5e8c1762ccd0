"""Plain PyTorch: the network and loop of the original README, written as a tutorial writes them.

Nothing in it is of this project, so that it can be compared with: `torchvision.datasets.MNIST`
gives one PIL image at a time, the transforms work on each, `DataLoader` collates 64 of them,
`nn.NLLLoss` and Adam with its defaults take the step, and the loss is read after each.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from mnist_core.data.splits import Split

BATCH_SIZE = 64


# The original README, section 4, word for word.
class Net(nn.Module):
    def __init__(self):  # type: ignore[no-untyped-def]
        super(Net, self).__init__()  # noqa: UP008
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3)  # 28x28 → 26x26
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3)  # 26x26 → 24x24
        self.conv3 = nn.Conv2d(32, 40, kernel_size=3)  # 12x12 → 10x10
        self.conv4 = nn.Conv2d(40, 24, kernel_size=1)  # 5x5 → 5x5
        self.fc1 = nn.Linear(24 * 5 * 5, 10)  # 600 → 10

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv3(x))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv4(x))
        x = x.view(-1, 24 * 5 * 5)
        x = self.fc1(x)
        return F.log_softmax(x, dim=1)


class InMemoryMnist(datasets.MNIST):  # type: ignore[misc]
    """torchvision's MNIST over images that are in memory already; each item is its own code."""

    def __init__(self, split: Split, *, transform: object) -> None:
        self.data = split.images.squeeze(1)
        self.targets = split.labels
        self.transform = transform
        self.target_transform = None

    def __len__(self) -> int:
        return len(self.targets)


def transform(*, augment: bool) -> Any:
    """Return the README's transforms (section 3), with or without its augmentation."""
    augmentation = [
        transforms.RandomRotation(10),
        transforms.RandomAffine(degrees=0, translate=(0.1, 0.1)),
    ]
    return transforms.Compose(
        [
            *(augmentation if augment else []),
            transforms.ToTensor(),
            transforms.Normalize((0.1307,), (0.3081,)),
        ]
    )


def batches(split: Split, *, augment: bool, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Start an epoch and wait for its first batch, which is dropped.

    So the few images of a measurement do not pay for the start of the workers, which a whole epoch
    spreads over 60,000 images.
    """
    loader: DataLoader[Any] = DataLoader(
        InMemoryMnist(split, transform=transform(augment=augment)),
        batch_size=BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
    )
    iterator = iter(loader)
    next(iterator)
    return iterator


class PlainTraining:
    """Training by the original README's recipe, one epoch after another."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.model: nn.Module = Net().to(device)  # type: ignore[no-untyped-call]
        self._optimizer = torch.optim.Adam(self.model.parameters())
        self._criterion = nn.NLLLoss()

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Take the step of a PyTorch tutorial and read the loss."""
        images, labels = images.to(self._device), labels.to(self._device)
        self._optimizer.zero_grad()
        loss = self._criterion(self.model(images), labels)
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def consume(self, iterator: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Train on what is left of an epoch."""
        for images, labels in iterator:
            self.step(images, labels)


def train(data_dir: Path, *, epochs: int) -> tuple[nn.Module, float]:
    """Train on the CPU; return the network and the seconds of training."""
    images = datasets.MNIST(str(data_dir), train=True, transform=transform(augment=True))
    loader: DataLoader[Any] = DataLoader(images, batch_size=BATCH_SIZE, shuffle=True)
    started = time.perf_counter()
    training = PlainTraining(torch.device("cpu"))
    for _ in range(epochs):
        training.consume(loader)
    return training.model, time.perf_counter() - started
