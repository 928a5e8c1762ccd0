"""The network as an ONNX graph, built node by node with `onnx.helper`.

Not with `torch.onnx.export`: of torch's two exporters the old one writes the opset asked for, but
is deprecated and ends at 23; the new one writes 18 where 11 is asked for, without an exception,
and needs one more library. The network has a dozen operators whose meaning has not changed since
opset 11 (one has its axes elsewhere). So any opset from there on is exact, with public functions
of onnx alone, and the same weights give the same bytes under the same version of onnx.
`mnist_core.models.onnx_export` compares every file with torch before it is written.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import nn

from mnist_core.data.registry import dataset_spec
from mnist_core.data.spec import DatasetSpec
from mnist_core.errors import UserError
from mnist_core.models.network import Network, weights_digest

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OLDEST_OPSET = 11
"""The original README's, and the default: every reader of ONNX since 2019 reads it."""
PRODUCER = "compact-mnist"
INPUT, OUTPUT, BATCH_AXIS = "input", "output", "batch_size"
_AXES_INPUT = 18
"""Since this opset the axes of a sum are an input, before an attribute."""

_OPERATORS: dict[type[nn.Module], tuple[str, dict[str, Any]]] = {
    nn.MaxPool2d: ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    nn.AvgPool2d: ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    nn.ReLU: ("Relu", {}),
    nn.AdaptiveAvgPool2d: ("GlobalAveragePool", {}),
    nn.Flatten: ("Flatten", {"axis": 1}),
    nn.LogSoftmax: ("LogSoftmax", {"axis": 1}),
}
"""Of layers that have neither weights nor options: the operator and its attributes."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How the network is written as a graph."""

    dataset: str
    """Whose mean and deviation the network was trained with."""
    opset: int = OLDEST_OPSET
    with_normalization: bool = False
    """Whether the graph takes uint8 pixels and normalises them itself."""

    @property
    def spec(self) -> DatasetSpec:
        """Return what is known of the data set: shape, classes, mean and deviation."""
        return dataset_spec(self.dataset)


def missing_libraries() -> list[str]:
    """Return the libraries of the extra [onnx] that are not installed."""
    return [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]


def require_libraries() -> None:
    """Raise `UserError` where the extra is not installed."""
    missing = missing_libraries()
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


def build(
    network: Network, options: ExportOptions, *, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return the content of an ONNX file, with `metadata` beside what the graph itself says."""
    require_opset(options.opset)
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    spec = options.spec
    mean, std = _text(spec.mean), _text(spec.std)
    arrays = {
        name: value.detach().cpu().contiguous().numpy()
        for name, value in network.state_dict().items()
        if value.is_floating_point()  # not BatchNorm's count of batches
    }
    scalars: dict[str, float] = {}
    if any(isinstance(layer, nn.GELU) for layer in network):
        scalars |= {"root_two": math.sqrt(2.0), "one": 1.0, "half": 0.5}
    if options.with_normalization:
        nodes = [
            *_normalization(INPUT, "normalized"),
            *_evaluation(network, "normalized", options),
        ]
        input_type, expected = TensorProto.UINT8, "uint8 pixels"
        scalars["white"] = 255.0
        for name, values in (("mean", spec.mean), ("std", spec.std)):
            arrays[name] = np.array(values, dtype=np.float32).reshape(-1, 1, 1)
    else:
        nodes = list(_evaluation(network, INPUT, options))
        input_type, expected = TensorProto.FLOAT, f"float32, (pixel / 255 - {mean}) / {std}"
    arrays |= {name: np.array(value, dtype=np.float32) for name, value in scalars.items()}
    if network.views > 1:
        arrays |= _views_arrays(network, options)
    opsets = [helper.make_opsetid("", options.opset)]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            PRODUCER,
            [helper.make_tensor_value_info(INPUT, input_type, [BATCH_AXIS, *network.input_shape])],
            [
                helper.make_tensor_value_info(
                    OUTPUT, TensorProto.FLOAT, [BATCH_AXIS, network.classes]
                )
            ],
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
            "dataset": options.dataset,
            "normalization": "in the graph" if options.with_normalization else "before the input",
            "normalization_mean": mean,
            "normalization_std": std,
            "class_names": json.dumps(spec.classes),
        },
    )
    with_shapes: ModelProto = shape_inference.infer_shapes(model, strict_mode=True)
    content: bytes = with_shapes.SerializeToString(deterministic=True)
    return content


def _text(values: Sequence[float]) -> str:
    """Return a number, or a list of one number for each channel, as JSON."""
    return json.dumps(values[0] if len(values) == 1 else list(values))


def _normalization(pixels: str, normalized: str) -> Iterator[NodeProto]:
    """Yield `splits.normalise`, operation by operation."""
    from onnx import TensorProto, helper

    yield helper.make_node("Cast", [pixels], ["pixels"], name="cast", to=TensorProto.FLOAT)
    yield helper.make_node("Div", ["pixels", "white"], ["scaled"], name="scale")
    yield helper.make_node("Sub", ["scaled", "mean"], ["centred"], name="centre")
    yield helper.make_node("Div", ["centred", "std"], [normalized], name="spread")


def _evaluation(network: Network, images: str, options: ExportOptions) -> Iterator[NodeProto]:
    """Yield the network in evaluation mode: its layers, between its views if it has several."""
    from onnx import helper

    if network.views == 1:
        yield from _layers(network, images, OUTPUT)
        return
    node = helper.make_node
    yield node("Reshape", [images, "flat"], ["pixels_in_line"], name="flatten_images")
    yield node("Gather", ["pixels_in_line", "view_pixels"], ["seen"], name="views", axis=2)
    yield node("Transpose", ["seen"], ["by_view"], name="views_first", perm=[2, 0, 1, 3])
    yield node("Reshape", ["by_view", "image"], ["all_views"], name="stack_views")
    yield from _layers(network, "all_views", "of_all_views")
    yield node("Reshape", ["of_all_views", "view"], ["of_each_view"], name="unstack_views")
    summed = "sum_of_views"
    operator = node("ReduceLogSumExp", ["of_each_view"], [summed], name=summed, keepdims=0)
    if options.opset >= _AXES_INPUT:
        operator.input.append("first")
    else:
        operator.attribute.append(helper.make_attribute("axes", [0]))
    yield operator
    yield node("Sub", [summed, "log_views"], [OUTPUT], name="mean_of_views")


def _views_arrays(network: Network, options: ExportOptions) -> dict[str, npt.NDArray[Any]]:
    """Return what `_evaluation` reads beside weights."""
    channels = network.input_shape[0]
    axes = {"first": np.array([0])} if options.opset >= _AXES_INPUT else {}
    return {
        **axes,
        "view_pixels": network.get_buffer("view_pixels").cpu().numpy(),
        "flat": np.array([-1, channels, math.prod(network.input_shape[1:])]),
        "image": np.array([-1, *network.input_shape]),
        "view": np.array([network.views, -1, network.classes]),
        "log_views": np.array(math.log(network.views), dtype=np.float32),
    }


def _layers(network: Network, images: str, log_probabilities: str) -> Iterator[NodeProto]:
    """Yield the layers, one after another."""
    from onnx import helper

    layers = [(name, layer) for name, layer in network.named_children() if name != "dropout"]
    x = images
    for name, layer in layers:
        output = log_probabilities if name == layers[-1][0] else f"{name}.output"
        if isinstance(layer, nn.SiLU):
            yield helper.make_node("Sigmoid", [x], [f"{name}.gate"], name=f"{name}.sigmoid")
            yield helper.make_node("Mul", [x, f"{name}.gate"], [output], name=name)
        elif isinstance(layer, nn.GELU):
            # x · (1 + erf(x / √2)) / 2: ONNX has had Gelu since opset 20 only
            steps = (("Div", "root_two"), ("Erf", ""), ("Add", "one"), ("Mul", x), ("Mul", "half"))
            inside = x
            for place, (operator, other) in enumerate(steps):
                result = output if place == len(steps) - 1 else f"{name}.{place}"
                inputs = [inside, other] if other else [inside]
                yield helper.make_node(operator, inputs, [result], name=f"{name}.step{place}")
                inside = result
        else:
            operator, weights, attributes = _operator(name, layer)
            yield helper.make_node(operator, [x, *weights], [output], name=name, **attributes)
        x = output


def _operator(name: str, layer: nn.Module) -> tuple[str, list[str], dict[str, Any]]:
    """Return a layer's operator, the names of its weights, and its attributes."""
    weight, bias = f"{name}.weight", f"{name}.bias"
    match layer:
        case nn.Conv2d():
            sides = {
                "kernel_shape": layer.kernel_size,
                "strides": layer.stride,
                "pads": [*layer.padding, *layer.padding],
            }
            return "Conv", [weight, bias] if layer.bias is not None else [weight], sides
        case nn.BatchNorm2d():
            names = [weight, bias, f"{name}.running_mean", f"{name}.running_var"]
            return "BatchNormalization", names, {"epsilon": layer.eps}
        case nn.LeakyReLU():
            return "LeakyRelu", [], {"alpha": layer.negative_slope}
        case nn.Linear():
            return "Gemm", [weight, bias], {"transB": 1}
    operator, attributes = _OPERATORS[type(layer)]
    return operator, [], attributes
