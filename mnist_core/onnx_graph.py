"""The network as an ONNX graph, built node by node with `onnx.helper`.

Not with `torch.onnx.export`: of torch's two exporters the old one writes the opset asked for, but
is deprecated and ends at 23; the new one gives 18 where 11 is asked for, without an exception, and
needs one more library. The network is a dozen operators whose meaning has not changed since opset
11, so that any opset from there on is had exactly, from public functions of onnx alone, and the
same weights give the same bytes under the same version of onnx. What is built by hand can be built
wrongly: `mnist_core.export` compares every file with torch before it is written.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnist_core.data import NORMALISATION
from mnist_core.errors import UserError
from mnist_core.model import CLASSES, INPUT_SHAPE, Net, weights_digest

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OLDEST_OPSET = 11
"""The seed's, and the default: whatever has read ONNX since 2019 reads it."""
PRODUCER = "compact-mnist"
INPUT, OUTPUT, BATCH_AXIS = "input", "output", "batch_size"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the network is written down."""

    dataset: str
    """Whose mean and deviation the network was trained with."""
    opset: int = OLDEST_OPSET
    with_normalization: bool = False
    """Whether the graph takes uint8 pixels and normalises them itself."""

    @property
    def mean_and_std(self) -> tuple[float, float]:
        """Return what the pixels in [0, 1] are normalised by."""
        return NORMALISATION[self.dataset]


def require_libraries() -> None:
    """Raise `UserError` where the extra is not installed."""
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the export needs {' and '.join(missing)}: python -m pip install -e '.[onnx]'"
        )


def require_opset(opset: int) -> None:
    """Raise `UserError` for an opset that the installed onnx does not know, or that is older
    than the graph's operators."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise UserError(
            f"opset must be in {OLDEST_OPSET} to {newest}, the newest of onnx {onnx.__version__}, "
            f"got {opset}"
        )


def build(network: Net, form: Form, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the content of an ONNX file, with `metadata` beside what the graph itself says."""
    require_opset(form.opset)
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    mean, std = form.mean_and_std
    arrays = {
        name: value.detach().cpu().contiguous().numpy()
        for name, value in network.state_dict().items()
    }
    if form.with_normalization:
        nodes = [*_normalization(INPUT, "normalized"), *_network(network, "normalized")]
        input_type, expected = TensorProto.UINT8, "uint8 pixels"
        for name, value in (("white", 255.0), ("mean", mean), ("std", std)):
            arrays[name] = np.array(value, dtype=np.float32)
    else:
        nodes = list(_network(network, INPUT))
        input_type, expected = TensorProto.FLOAT, f"float32, (pixel / 255 - {mean}) / {std}"
    opsets = [helper.make_opsetid("", form.opset)]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            PRODUCER,
            [helper.make_tensor_value_info(INPUT, input_type, [BATCH_AXIS, *INPUT_SHAPE])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH_AXIS, CLASSES])],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        ),
        opset_imports=opsets,
        # The oldest file format that holds this opset: the oldest readers read it.
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name=PRODUCER,
        doc_string=f"input: images, {expected}; output: log-probabilities of the classes",
    )
    helper.set_model_props(
        model,
        {
            **(metadata or {}),
            "weights_sha256": weights_digest(network),
            "dataset": form.dataset,
            "normalization": "in the graph" if form.with_normalization else "before the input",
            "normalization_mean": str(mean),
            "normalization_std": str(std),
            "class_names": json.dumps([str(digit) for digit in range(CLASSES)]),
        },
    )
    with_shapes: ModelProto = shape_inference.infer_shapes(model, strict_mode=True)
    content: bytes = with_shapes.SerializeToString(deterministic=True)
    return content


def _normalization(pixels: str, normalized: str) -> Iterator[NodeProto]:
    """Yield `batches.normalise`, operation by operation."""
    from onnx import TensorProto, helper

    yield helper.make_node("Cast", [pixels], ["pixels"], name="cast", to=TensorProto.FLOAT)
    yield helper.make_node("Div", ["pixels", "white"], ["scaled"], name="scale")
    yield helper.make_node("Sub", ["scaled", "mean"], ["centred"], name="centre")
    yield helper.make_node("Div", ["centred", "std"], [normalized], name="spread")


def _network(network: Net, images: str) -> Iterator[NodeProto]:
    """Yield `Net.forward`, in its order."""
    from onnx import helper

    x = images
    for name, pooled in (("conv1", False), ("conv2", True), ("conv3", True), ("conv4", False)):
        convolution = network.get_submodule(name)
        yield helper.make_node(
            "Conv",
            [x, f"{name}.weight", f"{name}.bias"],
            [f"{name}.output"],
            name=name,
            kernel_shape=convolution.get_parameter("weight").shape[2:],
        )
        x = f"{name}.output"
        if pooled:
            yield helper.make_node(
                "MaxPool",
                [x],
                [f"{name}.pooled"],
                name=f"{name}.pool",
                kernel_shape=[2, 2],
                strides=[2, 2],
            )
            x = f"{name}.pooled"
        yield helper.make_node("Relu", [x], [f"{name}.relu"], name=f"{name}.relu")
        x = f"{name}.relu"
    yield helper.make_node("Flatten", [x], ["flat"], name="flatten", axis=1)
    yield helper.make_node(
        "Gemm", ["flat", "fc1.weight", "fc1.bias"], ["logits"], name="fc1", transB=1
    )
    yield helper.make_node("LogSoftmax", ["logits"], [OUTPUT], name="log_softmax", axis=1)
