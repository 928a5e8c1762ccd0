"""`python -m mnist_core describe`: parameters, activations and FLOPs of each layer."""

import argparse
from typing import Any

from mnist_core.cli.arguments import NETWORK_OPTION_HELP, add_assignments, assignments
from mnist_core.config import TrainConfig
from mnist_core.data.registry import DATASETS, dataset_spec
from mnist_core.data.spec import DatasetSpec
from mnist_core.models.registry import NETWORKS, network_spec


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("describe", help="print what each layer of a network costs")
    parser.add_argument(
        "--network",
        default="baseline",
        help=f"one of {', '.join(NETWORKS)}; all: a line for each (default: baseline)",
    )
    add_assignments(parser, "--network-option", NETWORK_OPTION_HELP)
    parser.add_argument(
        "--dataset",
        default="mnist",
        help=f"whose images and classes, one of {', '.join(DATASETS)} (default: mnist)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a Markdown table."""
    changes = assignments("--network-option", options.network_option)
    if options.network == "all":
        _print_networks(changes, dataset_spec(options.dataset))
    else:
        config = TrainConfig(
            dataset=options.dataset, network=options.network, network_options=changes
        )
        _print_layers(config)
        print(f"\n{options.network}: {network_spec(options.network).reason}.")
    return 0


def _print_networks(changes: dict[str, Any], dataset: DatasetSpec) -> None:
    from mnist_core.runtime.formatting import markdown_table

    shape, classes = dataset.shape, len(dataset.classes)
    rows: list[tuple[object, ...]] = [
        (
            name,
            f"{found.parameters(shape, classes):,}",
            f"{found.evaluation_flops(shape, classes):,}",
            found.text(),
            spec.reason,
        )
        for name, spec in NETWORKS.items()
        for found in [spec.architecture.with_options(changes)]
    ]
    header = ("network", "parameters", "forward FLOPs", "architecture", "what it is for")
    print(markdown_table(rows, header=header, numeric=header[1:3]))


def _print_layers(config: TrainConfig) -> None:
    import torch

    from mnist_core.models.cost import layer_costs, training_flops
    from mnist_core.runtime.formatting import markdown_table
    from mnist_core.training import build

    costs = layer_costs(build.network(config, device=torch.device("cpu")))
    counts = [(cost.parameters, cost.activations, cost.forward_flops) for cost in costs]
    rows: list[tuple[object, ...]] = [
        (cost.name, cost.kind, "×".join(map(str, cost.output_shape)), *map("{:,}".format, numbers))
        for cost, numbers in zip(costs, counts, strict=True)
    ]
    rows.append(("total", "", "", *(f"{sum(column):,}" for column in zip(*counts, strict=True))))
    header = ("layer", "kind", "output", "parameters", "activations", "forward FLOPs")
    print(markdown_table(rows, header=header, numeric=header[3:]))
    dataset, architecture = config.dataset_spec, config.architecture()
    print(f"\nArchitecture: {architecture.text()}.")
    print(
        f"\nFor one image of {dataset.label}, {'×'.join(map(str, dataset.shape))}; 1 multiply-add "
        "= 2 FLOPs; outputs before pooling. Forward and backward: "
        f"{training_flops(costs):,} FLOPs."
    )
    if architecture.views > 1:
        print(
            f"Evaluation averages {architecture.views} views of each image: "
            f"{config.evaluation_flops():,} FLOPs."
        )
