"""Train one of other people's recipes in this process, as its author does, and print the outcome.

    python -m mnist_core.references train-mnist-fast --data-dir FOLDER --seed 1

prints JSON: seconds of training, without evaluation and without reading the files, and the test
images that are classified correctly.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnist_core.references.registry import REFERENCES


def run(name: str, *, data_dir: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Train with torch's own settings, evaluate once, and return the outcome."""
    import torch

    from mnist_core.references.train_mnist_fast import tensors

    torch.manual_seed(seed)
    reference = importlib.import_module(f"mnist_core.references.{REFERENCES[name].module}")
    network, seconds = reference.train(data_dir, epochs=epochs)
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
    """Run one reference and print its outcome as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.references", description="time another recipe for MNIST"
    )
    parser.add_argument("name", choices=list(REFERENCES))
    parser.add_argument("--data-dir", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, metavar="INT")
    options = parser.parse_args(arguments)
    epochs = REFERENCES[options.name].epochs
    print(
        json.dumps(run(options.name, data_dir=options.data_dir, seed=options.seed, epochs=epochs))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
