"""Two well-known recipes of other people, to be timed beside ours.

Written from their descriptions, not copied.
    python -m mnist_core.references.pytorch_examples fast --data-dir FOLDER --seed 1

trains one of them in this process, as its author does, and prints what came out as JSON: seconds
of training without evaluation and without reading the files, and the test images read correctly.

- `examples`: the MNIST example of pytorch/examples (`mnist/main.py`): two convolutions, two fully
  connected layers, dropout, Adadelta at rate 1 that falls to 0.7 of itself after each epoch,
  batches of 64 from a DataLoader that transforms image by image. Four epochs, after which it
  reaches 99 %; its own default is 14.
- `fast`: `train_mnist_fast` (tuomaso, 2021; its last step): normalised tensors in memory, taken in
  their order, batches of 256, Adam at 0.01 with betas (0.7, 0.9), one-cycle, one epoch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One recipe of somebody else's."""

    name: str
    label: str
    epochs: int
    parameters: int
    every: int
    """It is run once for so many runs of ours."""


REFERENCES = {
    reference.name: reference
    for reference in (
        Reference(
            name="examples",
            label="pytorch/examples, mnist/main.py",
            epochs=4,
            parameters=1_199_882,
            every=10,
        ),
        Reference(name="fast", label="train_mnist_fast", epochs=1, parameters=215_194, every=1),
    )
}
MEAN, STD = 0.1307, 0.3081


def examples_network() -> nn.Module:
    """Return the network of pytorch/examples."""
    from torch import nn

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 32, 3),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(32, 64, 3),
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            dropout1=nn.Dropout(0.25),
            flatten=nn.Flatten(),
            fc1=nn.Linear(9216, 128),
            relu3=nn.ReLU(),
            dropout2=nn.Dropout(0.5),
            fc2=nn.Linear(128, 10),
            log_softmax=nn.LogSoftmax(dim=1),
        )
    )


def fast_network() -> nn.Module:
    """Return the network of train_mnist_fast's last step."""
    from torch import nn

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 24, 5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(24, 32, 3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 256),
            relu3=nn.ReLU(),
            fc2=nn.Linear(256, 10),
            log_softmax=nn.LogSoftmax(dim=1),
        )
    )


def train_examples(data_dir: Path, *, epochs: int) -> tuple[nn.Module, float]:
    """Train as pytorch/examples does; return the network and the seconds of training."""
    import torch
    import torch.nn.functional as F
    from torchvision import datasets, transforms

    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    images = datasets.MNIST(str(data_dir), train=True, transform=normalise)
    loader: Any = torch.utils.data.DataLoader(images, batch_size=64)
    network = examples_network()
    started = time.perf_counter()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    network.train()
    for _ in range(epochs):
        for batch, labels in loader:
            optimizer.zero_grad()
            F.nll_loss(network(batch), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return network, time.perf_counter() - started


def train_fast(data_dir: Path, *, epochs: int) -> tuple[nn.Module, float]:
    """Train as train_mnist_fast does; return the network and the seconds of training."""
    import torch
    import torch.nn.functional as F

    batch_size = 256
    images, labels = tensors(data_dir, train=True)
    starts = range(0, len(images), batch_size)
    network = fast_network()
    started = time.perf_counter()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.7, 0.9))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=epochs * len(starts), cycle_momentum=False
    )
    network.train()
    for _ in range(epochs):
        for start in starts:
            part = slice(start, start + batch_size)
            optimizer.zero_grad()
            F.nll_loss(network(images[part]), labels[part]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network, time.perf_counter() - started


TRAINERS: dict[str, Callable[..., tuple[nn.Module, float]]] = {
    "examples": train_examples,
    "fast": train_fast,
}


def tensors(data_dir: Path, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return normalised images [n, 1, 28, 28] float32 and labels [n] int64."""
    from torchvision import datasets

    part = datasets.MNIST(str(data_dir), train=train)
    return part.data.unsqueeze(1).float().div(255.0).sub(MEAN).div(STD), part.targets


def run(name: str, *, data_dir: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Train a recipe with torch as it comes, evaluate it once, and return what came out."""
    import torch

    torch.manual_seed(seed)
    network, seconds = TRAINERS[name](data_dir, epochs=epochs)
    images, labels = tensors(data_dir, train=False)
    network.eval()
    correct = 0
    with torch.no_grad():
        for batch, truth in zip(torch.split(images, 1000), torch.split(labels, 1000), strict=True):
            correct += int((network(batch).argmax(dim=1) == truth).sum())
    return {
        "name": name,
        "seed": seed,
        "epochs": epochs,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "test": {"correct": correct, "count": len(labels)},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one recipe and print its outcome as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.references.pytorch_examples",
        description="time another recipe for MNIST",
    )
    parser.add_argument("name", choices=list(REFERENCES))
    parser.add_argument("--data-dir", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, metavar="INT")
    options = parser.parse_args(arguments)
    epochs = REFERENCES[options.name].epochs
    outcome = run(options.name, data_dir=options.data_dir, seed=options.seed, epochs=epochs)
    print(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
