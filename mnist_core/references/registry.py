"""The registry of references: whose code it is, and how often a study runs it.

Importing it does not import torch. `python -m mnist_core.references` runs one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Other people's code for MNIST, which one module of this folder holds."""

    label: str
    module: str
    epochs: int
    parameters: int
    every: int
    """It is run once for so many runs of a recipe."""


REFERENCES = {
    "plain": Reference(
        label="plain PyTorch, as the original README trains",
        module="plain_pytorch",
        epochs=15,
        parameters=23_354,
        every=10,
    ),
    "pytorch-examples": Reference(
        label="pytorch/examples, mnist/main.py",
        module="pytorch_examples",
        epochs=4,
        parameters=1_199_882,
        every=10,
    ),
    "train-mnist-fast": Reference(
        label="train_mnist_fast",
        module="train_mnist_fast",
        epochs=1,
        parameters=215_194,
        every=1,
    ),
}
