"""`python -m mnist_core export CHECKPOINT --output FILE`: the network as one ONNX file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.cli.arguments import add_data_dir_argument, add_threads_argument, load_dataset

if TYPE_CHECKING:
    from torch import Tensor

    from mnist_core.models.onnx_export import Agreement
    from mnist_core.models.onnx_graph import ExportOptions

DEFAULT_OPSET = 11


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("export", help="write a checkpoint's network as an ONNX file")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="model.onnx")
    parser.add_argument(
        "--opset",
        type=int,
        default=DEFAULT_OPSET,
        metavar="N",
        help=f"version of ONNX's operators, from {DEFAULT_OPSET} on (default: {DEFAULT_OPSET})",
    )
    parser.add_argument(
        "--with-normalization",
        action="store_true",
        help="put the normalisation into the graph, which then takes raw uint8 images",
    )
    add_data_dir_argument(parser)
    add_threads_argument(parser)
    parser.set_defaults(run=run, device="cpu")


def run(options: argparse.Namespace) -> int:
    """Export, and say what was checked; 1 where the model differs from the network."""
    import torch

    from mnist_core.errors import UserError
    from mnist_core.models import onnx_graph
    from mnist_core.models.onnx_export import SelfCheckError, export
    from mnist_core.training.checkpoint import read_checkpoint

    onnx_graph.require_libraries()
    onnx_graph.require_opset(options.opset)
    saved = read_checkpoint(options.checkpoint)
    if options.output.exists() and options.output.samefile(options.checkpoint):
        raise UserError(f"{options.output} is the checkpoint; name another --output")
    export_options = onnx_graph.ExportOptions(
        dataset=saved.config.dataset,
        opset=options.opset,
        with_normalization=options.with_normalization,
    )
    images, described = _images(options, saved.config.dataset)
    try:
        agreement = export(
            saved.network(device=torch.device("cpu")),
            options.output,
            export_options,
            images=images,
            metadata={"configuration": saved.config.digest()},
        )
    except SelfCheckError as error:
        print(f"self-check failed, nothing was written: {error}", file=sys.stderr)
        return 1
    _print(agreement, options.output, export_options, described)
    return 0


def _images(options: argparse.Namespace, dataset: str) -> tuple[Tensor, str]:
    """Return what to check the export on, and what that is."""
    from mnist_core.data.download import UnavailableError
    from mnist_core.data.registry import dataset_spec
    from mnist_core.models.onnx_export import random_images

    try:
        loaded = load_dataset(options, name=dataset)
    except UnavailableError as error:
        print(f"note: {error}\nchecking the export on images of noise instead", flush=True)
        return random_images(dataset_spec(dataset).shape), "images of noise"
    return loaded.test.images, f"images of {loaded.label}, test split"


def _print(agreement: Agreement, path: Path, options: ExportOptions, described: str) -> None:
    from mnist_core.models.onnx_export import BATCH_SIZES, TOLERANCE

    expects = "uint8 pixels" if options.with_normalization else "normalised float32"
    *first, last = BATCH_SIZES
    print(f"{path}: {path.stat().st_size:,} bytes, opset {options.opset}, input {expects}")
    print("self-check: opset as asked; onnx's checker passed; ONNX Runtime gives torch's")
    print(f"classes and log-probabilities on all {agreement.images:,} {described},")
    print(
        f"at batches {', '.join(map(str, first))} and {last}: largest difference "
        f"{agreement.largest_difference:.1e}, tolerance {TOLERANCE:.0e},"
    )
    print("both as a share of the image's largest log-probability (of 1 where that is smaller)")
