"""The network as one ONNX file, written only where ONNX Runtime agrees with torch.

`export` builds the model, compares the two on images, and writes it; `verify` is the comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnist_core.data.spec import Shape
from mnist_core.data.splits import normalise
from mnist_core.errors import UserError
from mnist_core.models import onnx_graph, onnx_process
from mnist_core.models.network import Network
from mnist_core.models.onnx_graph import ExportOptions
from mnist_core.models.onnx_process import FloatArray
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.randomness import generator

BATCH_SIZES = (1, 3, 64)
TOLERANCE = 1e-5
"""How far a log-probability may lie from torch's, as a share of the image's largest (of 1 where
all are smaller): what sums of float32 in another order differ by."""
RANDOM_IMAGES = 1_000
_REFERENCE_BATCH = 500


class SelfCheckError(Exception):
    """Say where the exported model differs from the network."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """On which images torch and ONNX Runtime were compared, and how closely they agreed."""

    images: int
    largest_difference: float
    """Of a log-probability, over all images and batch sizes, in the tolerance's unit: a share of
    the image's largest."""


def export(
    network: Network,
    path: Path,
    options: ExportOptions,
    *,
    images: Tensor,
    metadata: Mapping[str, str] | None = None,
) -> Agreement:
    """Build the model, verify it on `images` [n, c, h, w] uint8, and write it atomically.

    Raises `UserError` for what a user can correct and `SelfCheckError` where model and network
    differ. Nothing is written then, and an older file stays.
    """
    onnx_graph.require_libraries()
    content = onnx_graph.build(network, options, metadata=metadata)
    agreement = verify(content, network, options, images=images)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another --output") from error
    return agreement


def verify(
    content: bytes, network: Network, options: ExportOptions, *, images: Tensor
) -> Agreement:
    """Compare a model with the network on `images` [n, c, h, w] uint8, at several batch sizes.

    Raises `SelfCheckError` for another opset, for what onnx's checker refuses, and for any image
    that gets another class, or a log-probability outside the tolerance.
    """
    _check_format(content, options)
    normalised = normalise(images.cpu(), mean=options.spec.mean, std=options.spec.std)
    expected = _log_probabilities(network, normalised)
    try:
        outputs = onnx_process.answers(
            content,
            (images.cpu() if options.with_normalization else normalised).numpy(),
            batch_sizes=BATCH_SIZES,
            threads=torch.get_num_threads(),
        )
    except onnx_process.OnnxRuntimeError as error:
        raise SelfCheckError(
            f"ONNX Runtime cannot run it at opset {options.opset}; a smaller one may do ({error})"
        ) from error
    differences = relative_differences(outputs, expected)
    for size, answers, difference in zip(BATCH_SIZES, outputs, differences, strict=True):
        other_class = answers.argmax(axis=1) != expected.argmax(axis=1)
        outside = ~(difference <= TOLERANCE)
        if other_class.any() or outside.any():
            raise SelfCheckError(
                f"at batch {size}, of {len(images):,} images {other_class.sum():,} get another "
                f"class and {outside.sum():,} other log-probabilities than torch gives (largest "
                f"difference {difference.max():.2g}, tolerance {TOLERANCE:.0e})"
            )
    return Agreement(images=len(images), largest_difference=float(differences.max()))


def relative_differences(answers: FloatArray, expected: FloatArray) -> FloatArray:
    """Return how far the log-probabilities [..., n, classes] of each image lie from the expected
    ones at most, as a share of its largest, of 1 where all are smaller: [..., n]."""
    scale = np.maximum(1.0, np.abs(expected).max(axis=-1))
    differences: FloatArray = np.abs(answers - expected).max(axis=-1) / scale
    return differences


def outside_tolerance(answers: FloatArray, expected: FloatArray) -> npt.NDArray[np.bool_]:
    """Return for each image whether its log-probabilities [n, classes] differ: [n]."""
    within: npt.NDArray[np.bool_] = relative_differences(answers, expected) <= TOLERANCE
    return ~within  # NaN is outside


def random_images(shape: Shape) -> Tensor:
    """Return images of noise [n, *shape] uint8, always the same, for where there are none."""
    draws = generator(0, "export", "images")
    return torch.randint(0, 256, (RANDOM_IMAGES, *shape), dtype=torch.uint8, generator=draws)


def _check_format(content: bytes, options: ExportOptions) -> None:
    import onnx

    model = onnx.load_from_string(content)
    opsets = [(entry.domain, entry.version) for entry in model.opset_import]
    if opsets != [("", options.opset)]:
        raise SelfCheckError(f"its opset must be {options.opset}, got {opsets}")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise SelfCheckError(f"onnx's checker refuses it: {error}") from error


@torch.inference_mode()
def _log_probabilities(network: Network, images: Tensor) -> FloatArray:
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    parts = [network(part.to(device)).cpu() for part in torch.split(images, _REFERENCE_BATCH)]
    network.train(was_training)
    log_probabilities: FloatArray = torch.cat(parts).numpy()
    return log_probabilities
