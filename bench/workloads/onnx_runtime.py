"""ONNX Runtime as a variant of inference: the exported graph, timed in a process without torch.

The weights and the images are those of the other variants. A case counts as loaded once both have
given the same log-probabilities.
"""

import base64
import contextlib
import functools
import io
from dataclasses import asdict

import numpy as np
import torch

from bench.timing.measure import BlockPlan, RemoteCall, WarmUp
from bench.timing.remote import WorkerError, onnx_worker
from bench.workloads import networks
from bench.workloads.workload import Workload
from mnist_core.models import onnx_export, onnx_graph
from mnist_core.models.network import build_network
from mnist_core.runtime.device import available_cores

_CPU = torch.device("cpu")


@functools.cache
def version() -> str:
    """Return the version of the ONNX Runtime that is timed, whichever package it came in.

    Asked for once, as a case is loaded: a run can name it when that process has ended.
    """
    return str(onnx_worker().ask("version"))


def load(workload: Workload) -> RemoteCall:
    """Load the network and a batch of images into that process, to be timed there.

    Raises `SelfCheckError` where its answers are not torch's, `WorkerError` where it has none.
    """
    network = build_network(seed=networks.SEED, device=_CPU).eval()
    images = networks.example(workload.batch_size, _CPU)
    with torch.inference_mode():
        expected = network(images).numpy()
    model = onnx_graph.build(network, onnx_graph.ExportOptions(dataset="mnist"))
    archive = io.BytesIO()
    np.savez(archive, model=np.frombuffer(model, dtype=np.uint8), images=images.numpy())
    child, case = onnx_worker(), workload.id
    version()
    answers = child.ask(
        "load",
        case=case,
        archive=base64.b64encode(archive.getvalue()).decode(),
        threads=workload.threads or available_cores(),
    )
    outside = onnx_export.outside_tolerance(np.asarray(answers, dtype=np.float32), expected)
    if outside.any():
        raise onnx_export.SelfCheckError(
            f"{case}: of {len(outside):,} images {outside.sum():,} get other log-probabilities "
            "from ONNX Runtime than from torch"
        )

    def warm_up() -> WarmUp:
        seen = child.ask("warm_up", case=case)
        return WarmUp(**{**seen, "window_seconds": tuple(seen["window_seconds"])})

    def time_block(how: BlockPlan) -> list[float]:
        samples: list[float] = child.ask("block", case=case, how=asdict(how))
        return samples

    return RemoteCall(warm_up=warm_up, time_block=time_block)


def drop(workload: Workload) -> None:
    """Forget a case; a process that has ended has nothing to forget."""
    with contextlib.suppress(WorkerError):
        onnx_worker().ask("drop", case=workload.id)
