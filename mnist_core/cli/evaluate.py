"""`python -m mnist_core evaluate CHECKPOINT`: accuracy, confusion matrix, misclassified images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.cli.arguments import add_data_dir_argument, add_device_arguments, load_dataset

if TYPE_CHECKING:
    from mnist_core.data.splits import Dataset, Split
    from mnist_core.training.evaluation import Evaluation

SPLITS = ("test", "validation")
_MOST_DRAWN = 60
_COLUMNS = 12


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("evaluate", help="evaluate a checkpoint")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--split", default="test", help="test or validation (default: test)")
    add_data_dir_argument(parser)
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="where the picture of misclassified images goes (default: "
        "misclassified-SPLIT.png beside the checkpoint)",
    )
    add_device_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the evaluation and write the picture."""
    from mnist_core.errors import UserError, require_known
    from mnist_core.runtime.output_folder import require_writable
    from mnist_core.training.checkpoint import read_checkpoint
    from mnist_core.training.evaluation import evaluate

    require_known("split", options.split, SPLITS)
    saved = read_checkpoint(options.checkpoint)
    picture = options.picture or options.checkpoint.with_name(f"misclassified-{options.split}.png")
    require_writable(picture.parent, option="--picture")
    dataset = load_dataset(options, name=saved.config.dataset)
    if dataset.sha256 != saved.dataset_sha256:
        raise UserError(
            f"{options.checkpoint} was trained on other data than {dataset.name} here; "
            "name the --data-dir that it was trained on"
        )
    split: Split = getattr(dataset, options.split)
    diverged_at_step = saved.record.get("diverged_at_step")
    if diverged_at_step is not None:
        print(f"diverged at step {diverged_at_step}: these are the weights of a broken run")
    evaluation = evaluate(saved.network(device=split.labels.device), dataset, split)
    is_trained_on = options.split == "validation" and saved.config.train_on_validation
    epochs = len(saved.record["epochs"])
    _print(dataset, options.split, evaluation, epochs=epochs, is_trained_on=is_trained_on)
    _draw_misclassified(dataset, options.split, evaluation, picture)
    print(f"\nmisclassified {dataset.spec.shown}s: {picture}")
    return 0


def _print(
    dataset: Dataset, split: str, evaluation: Evaluation, *, epochs: int, is_trained_on: bool
) -> None:
    """Print accuracies, without intervals for images that were trained on."""
    from mnist_core.runtime.formatting import markdown_table, wilson_interval

    low, high = evaluation.interval()
    interval = "" if is_trained_on else f", 95 % interval {low:.2%} to {high:.2%}"
    print(
        f"{dataset.label}, {split} split, after {epochs} epochs: accuracy "
        f"{evaluation.accuracy:.2%}{interval} ({evaluation.count:,} images), loss "
        f"{evaluation.loss:.4f}"
    )
    if is_trained_on:
        print(
            "the run was trained on these images too (train_on_validation): this says nothing of "
            "other images, and has no interval; --split test does"
        )
    print()
    classes = dataset.spec.classes
    matrix = evaluation.confusion_matrix(len(classes)).tolist()
    header = [dataset.spec.shown, *(f"read as {name}" for name in classes), "accuracy"]
    rows = []
    for place, row in enumerate(matrix):
        low, high = wilson_interval(row[place], sum(row))
        rows.append([classes[place], *row, f"{row[place] / sum(row):.2%}"])
        if not is_trained_on:
            rows[-1].append(f"{low:.1%} to {high:.1%}")
    if not is_trained_on:
        header.append("95 %")
    print(markdown_table(rows, header=header, numeric=header))


def _draw_misclassified(dataset: Dataset, part: str, evaluation: Evaluation, path: Path) -> None:
    import io

    from matplotlib.figure import Figure

    from mnist_core.runtime.atomic_files import write_atomically

    split: Split = getattr(dataset, part)
    classes = dataset.spec.classes
    misclassified = evaluation.misclassified()
    drawn = misclassified[:_MOST_DRAWN]
    rows = max(1, -(-len(drawn) // _COLUMNS))
    figure = Figure(figsize=(_COLUMNS * 0.9, rows * 1.15 + 0.6), facecolor="white")
    which = f"the first {len(drawn)} of {len(misclassified)}" if drawn != misclassified else "all"
    figure.suptitle(
        f"{dataset.label}, {part} split: {len(misclassified)} misclassified, {which} shown "
        "(label → prediction)"
    )
    is_long = max(map(len, classes)) > 3  # two names do not fit side by side
    arrow, size = (" →\n", 6) if is_long else (" → ", 9)
    for place, index in enumerate(drawn, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        pixels = split.images[index].permute(1, 2, 0).cpu().numpy()
        axes.imshow(pixels, cmap="gray_r")  # which colours ignore
        label, prediction = (
            classes[int(of[index])] for of in (evaluation.labels, evaluation.predictions)
        )
        axes.set_title(f"{label}{arrow}{prediction}", fontsize=size)
        axes.set_axis_off()
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, buffer.getvalue())
