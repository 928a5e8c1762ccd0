"""The process in which ONNX Runtime is timed: without torch, whose threads and its own would
disturb each other (https://github.com/microsoft/onnxruntime/issues/13808), and by its own clock.

`bench.timing.remote.onnx_worker` starts it as `python -m bench.workers.onnx_runtime`.
"""

import base64
import io
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.timing import blocks, measure, remote
from bench.timing.measure import BlockPlan, Call
from mnist_core.models import onnx_process


class _Served:
    """The child's end: a method for each command."""

    def __init__(self) -> None:
        self._cases: dict[str, Call] = {}

    def version(self) -> str:
        import onnxruntime

        return str(onnxruntime.__version__)

    def load(self, case: str, archive: str, threads: int) -> list[list[float]]:
        """Load a case's model and images, an npz in base64; return the log-probabilities."""
        with np.load(io.BytesIO(base64.b64decode(archive))) as arrays:
            model, images = arrays["model"].tobytes(), arrays["images"]
        session = onnx_process.session(model, threads=threads)
        self._cases[case] = Call(call=lambda: session.run(["output"], {"input": images}))
        answers: list[list[float]] = session.run(["output"], {"input": images})[0].tolist()
        return answers

    def warm_up(self, case: str) -> dict[str, Any]:
        """Call the case until its timings are steady; return a `WarmUp`'s fields."""
        return asdict(measure.warm_up(self._cases[case], clock=time.perf_counter))

    def block(self, case: str, how: dict[str, int]) -> list[float]:
        """Time one block of the case as `how`, a `BlockPlan`, says; return its samples."""
        return blocks.time_block(self._cases[case], BlockPlan(**how), clock=time.perf_counter)

    def drop(self, case: str) -> None:
        del self._cases[case]


if __name__ == "__main__":
    sys.exit(remote.serve(_Served()))
