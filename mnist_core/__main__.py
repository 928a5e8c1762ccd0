"""`python -m mnist_core`: train a network, evaluate or export a checkpoint, describe the network.

python -m mnist_core train --epochs 1
python -m mnist_core evaluate runs/…/checkpoint.safetensors
python -m mnist_core export runs/…/checkpoint.safetensors --output model.onnx
python -m mnist_core describe
"""

import argparse
import sys

from mnist_core.cli import describe, evaluate, export, train
from mnist_core.errors import run_command


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core", description=__doc__.splitlines()[0] if __doc__ else None
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (train, evaluate, export, describe):
        module.add_parser(subparsers)
    options = parser.parse_args(arguments)
    return run_command(lambda: int(options.run(options)))


if __name__ == "__main__":
    sys.exit(main())
