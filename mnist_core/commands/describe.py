"""`python -m mnist_core describe`: parameters, activations and FLOPs of each layer."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("describe", help="print what each layer of the network costs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a Markdown table."""
    import torch

    from mnist_core import model as models
    from mnist_core.report import markdown_table

    costs = models.describe(models.build(seed=0, device=torch.device("cpu")))
    rows: list[tuple[object, ...]] = [
        (
            cost.name,
            cost.kind,
            "×".join(map(str, cost.output_shape)),
            f"{cost.parameters:,}",
            f"{cost.activations:,}",
            f"{cost.forward_flops:,}",
        )
        for cost in costs
    ]
    rows.append(
        (
            "total",
            "",
            "",
            f"{sum(cost.parameters for cost in costs):,}",
            f"{sum(cost.activations for cost in costs):,}",
            f"{sum(cost.forward_flops for cost in costs):,}",
        )
    )
    header = ("layer", "kind", "output", "parameters", "activations", "forward FLOPs")
    print(markdown_table(rows, header=header, numeric=header[3:]))
    print(
        "\nFor one image; 1 multiply-add = 2 FLOPs; outputs before pooling. Forward and backward: "
        f"{models.training_flops(costs):,} FLOPs."
    )
    return 0
