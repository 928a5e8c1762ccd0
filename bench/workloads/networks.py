"""Variants of the network: memory layout, number format, and how it is called or compiled."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.workloads.workload import Workload
from mnist_core.data.spec import MNIST_CLASSES, MNIST_SHAPE
from mnist_core.models.network import Bfloat16, build_network
from mnist_core.references import plain_pytorch
from mnist_core.runtime.randomness import generator

Forward = Callable[[Tensor], object]
SEED = 0


def build(workload: Workload, device: torch.device) -> nn.Module:
    """Build the network of a workload, not compiled: plain PyTorch's class or mnist_core's."""
    if workload.mode == "plain":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            plain: nn.Module = plain_pytorch.Net()  # type: ignore[no-untyped-call]
        return plain.to(device)
    network: nn.Module = build_network(seed=SEED, device=device)
    if workload.layout == "contiguous":
        network = network.to(memory_format=torch.contiguous_format)
    return Bfloat16(network) if workload.precision == "bfloat16" else network


def synthetic_batch(workload: Workload) -> tuple[Tensor, Tensor]:
    """Return images of noise in the workload's memory layout, and labels."""
    device = torch.device(workload.device)
    images = example(workload.batch_size, device)
    channels_last = workload.layout == "channels-last"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    labels = torch.arange(workload.batch_size, device=device) % MNIST_CLASSES
    return images.contiguous(memory_format=layout), labels


def bfloat16_is_native(device: str) -> bool:
    """Tell whether the device multiplies in bfloat16 rather than emulating it."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def convolutions_alone(network: nn.Module, images: Tensor) -> Callable[[], object]:
    """Return the convolutions of a step, forward and backward, with nothing between them.

    Each reads what it would read in a step; the gradients of their outputs are noise.
    """
    draws = generator(SEED, "gradients")
    seen: list[tuple[nn.Conv2d, Tensor, Tensor]] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        gradient = torch.randn(output.shape, generator=draws).to(output.device)
        seen.append((layer, inputs[0], gradient.contiguous(memory_format=torch.channels_last)))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    handles = [layer.register_forward_hook(record) for layer in layers]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()

    @torch.no_grad()
    def call() -> None:
        for layer, inputs, _ in seen:
            layer(inputs)
        for layer, inputs, gradient in reversed(seen):
            torch.ops.aten.convolution_backward(
                gradient,
                inputs,
                layer.weight,
                bias_sizes=[layer.out_channels],
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                transposed=False,
                output_padding=[0, 0],
                groups=layer.groups,
                # The images need no gradient.
                output_mask=[layer is not layers[0], True, True],
            )

    return call


def compile_forward(network: nn.Module) -> nn.Module:
    """Compile with torch.compile's defaults, for the one shape that will be seen."""
    compiled: nn.Module = torch.compile(network, dynamic=False)  # type: ignore[assignment]
    return compiled


@functools.cache
def compiled_ahead_of_time(batch_size: int, device: torch.device) -> Forward:
    """Compile to a shared library with AOTInductor, which calls no Python between operators.

    Compiling takes seconds, so that one library serves every number of threads: its own loops run
    on one, convolutions on those of the call.
    """
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    network = build_network(seed=SEED, device=device).to(memory_format=torch.contiguous_format)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the compiler bakes their number into the loops
    try:
        with torch.no_grad():
            program = torch.export.export(network.eval(), (example(batch_size, device),))
        with tempfile.TemporaryDirectory() as folder:
            path = aoti_compile_and_package(program, package_path=str(Path(folder) / "n.pt2"))
            loaded: Forward = aoti_load_package(path)
    finally:
        torch.set_num_threads(threads)
    return loaded


def capture(call: Callable[[], object]) -> Callable[[], object]:
    """Return what replays a call from a CUDA graph. It is called three times before."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # what libraries and optimizers allocate once is there after that
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        call()
    return graph.replay


def example(batch_size: int, device: torch.device) -> Tensor:
    """Return images of noise [batch_size, 1, 28, 28] float32."""
    draws = torch.Generator().manual_seed(SEED)
    return torch.randn(batch_size, *MNIST_SHAPE, generator=draws).to(device)
