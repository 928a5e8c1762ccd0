"""Workload -> Prepared: everything that a case needs, made ready outside the clock."""

import os
import shutil

import torch

from bench.workloads import data, inference, networks, training
from bench.workloads.prepared import Prepared, enter, timed
from bench.workloads.workload import Workload
from mnist_core.errors import UserError
from mnist_core.models import onnx_graph
from mnist_core.runtime.randomness import generator

BYTES_PER_MEBIBYTE = 1 << 20


def prepare(workload: Workload, *, dataset_name: str) -> Prepared:
    """Build what the workload needs. Raises `UserError` where it cannot run on this machine."""
    reason = unavailable(workload)
    if reason is not None:
        raise UserError(f"{workload.id} cannot run here: {reason}")
    enter(workload)
    match workload.kind:
        case "training-step":
            return training.step(workload)
        case "optimizer-step":
            return training.optimizer_step(workload)
        case "training-loop":
            return training.training_loop(workload, dataset_name)
        case "plain-loop":
            return training.plain_loop(workload, dataset_name)
        case "inference":
            return inference.inference(workload)
        case "data":
            return data.pipeline(workload, dataset_name)
        case "gemm":
            return _gemm(workload)
        case "copy":
            return _copy(workload)


def unavailable(workload: Workload) -> str | None:
    """Return why the workload cannot run on this machine, or None where it can."""
    if workload.device == "cuda" and not torch.cuda.is_available():
        return "no CUDA device: torch.cuda.is_available() is False"
    if workload.precision == "bfloat16" and not networks.bfloat16_is_native(workload.device):
        return f"the {workload.device} has no bfloat16 arithmetic"
    if workload.mode in ("compiled", "ahead-of-time") and workload.device == "cpu":
        compiler = os.environ.get("CXX", "g++")  # as torch.compile looks for it
        if shutil.which(compiler) is None:
            return (
                f"torch.compile needs a C++ compiler on the CPU, and {compiler} is not installed"
            )
    if workload.mode == "onnxruntime" and (missing := onnx_graph.missing_libraries()):
        libraries = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'}"
        return f"ONNX Runtime needs the extra [onnx], and {libraries} not installed"
    return None


def _gemm(workload: Workload) -> Prepared:
    dtype = torch.bfloat16 if workload.precision == "bfloat16" else torch.float32
    device, side = torch.device(workload.device), workload.size
    draws = generator(networks.SEED, "gemm")
    a, b = (torch.randn(side, side, generator=draws).to(device, dtype) for _ in range(2))
    product = torch.empty_like(a)
    return Prepared(
        call=timed(workload, lambda: torch.mm(a, b, out=product)),
        flops=2 * side**3,
        bytes=3 * a.numel() * a.element_size(),
    )


def _copy(workload: Workload) -> Prepared:
    count = workload.size * BYTES_PER_MEBIBYTE // 4
    source = torch.ones(count, device=workload.device)
    target = torch.empty_like(source)
    return Prepared(call=timed(workload, lambda: target.copy_(source)), bytes=2 * count * 4)
