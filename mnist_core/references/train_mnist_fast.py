"""`train_mnist_fast` (tuomaso, 2021; its last step), written from its description.

Normalised tensors in memory, taken in their order, batches of 256, Adam at 0.01 with betas
(0.7, 0.9), a one-cycle schedule, one epoch.
"""

import time
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import datasets

BATCH_SIZE = 256


def network() -> nn.Module:
    """Return the network, initialised from torch's global generator."""
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


def tensors(data_dir: Path, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return normalised images [n, 1, 28, 28] float32 and labels [n] int64."""
    part = datasets.MNIST(str(data_dir), train=train)
    return part.data.unsqueeze(1).float().div(255.0).sub(0.1307).div(0.3081), part.targets


def train(data_dir: Path, *, epochs: int) -> tuple[nn.Module, float]:
    """Train; return the network and the seconds of training."""
    images, labels = tensors(data_dir, train=True)
    starts = range(0, len(images), BATCH_SIZE)
    model = network()
    started = time.perf_counter()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.7, 0.9))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=epochs * len(starts), cycle_momentum=False
    )
    model.train()
    for _ in range(epochs):
        for start in starts:
            part = slice(start, start + BATCH_SIZE)
            optimizer.zero_grad()
            F.nll_loss(model(images[part]), labels[part]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model, time.perf_counter() - started
