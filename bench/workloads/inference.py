"""Inference in all variants, made ready to be timed."""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.workloads import memory_traffic, networks, onnx_runtime
from bench.workloads.prepared import Prepared, flops_per_image, timed
from bench.workloads.workload import Workload


def inference(workload: Workload) -> Prepared:
    """Make one call of the network ready."""
    if workload.mode == "onnxruntime":
        return _onnx_runtime(workload)
    batch, _ = networks.synthetic_batch(workload)
    network = networks.build(workload, batch.device)
    if workload.mode != "plain":
        network.eval()
    forward: networks.Forward = network
    moved = memory_traffic.count_bytes(_call(workload, network, batch))
    if workload.mode == "compiled":
        forward = networks.compile_forward(network)
    elif workload.mode == "ahead-of-time":
        forward = networks.compiled_ahead_of_time(workload.batch_size, batch.device)
    call = _call(workload, forward, batch)
    if workload.mode == "captured":
        call = networks.capture(call)
    return Prepared(
        call=timed(workload, call),
        images=workload.batch_size,
        flops=flops_per_image(training=False) * workload.batch_size,
        bytes=moved,
    )


def _call(workload: Workload, forward: networks.Forward, batch: Tensor) -> Callable[[], object]:
    if workload.mode == "plain":
        return lambda: forward(batch)

    def call() -> object:
        with torch.inference_mode():
            return forward(batch)

    return call


def _onnx_runtime(workload: Workload) -> Prepared:
    return Prepared(
        call=onnx_runtime.load(workload),
        images=workload.batch_size,
        # No bytes: they are counted operator by operator, and it fuses its own.
        flops=flops_per_image(training=False) * workload.batch_size,
        close=lambda: onnx_runtime.drop(workload),
    )
