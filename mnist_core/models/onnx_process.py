"""The process of its own in which ONNX Runtime runs: it would slow torch down in the same one.

See https://github.com/microsoft/onnxruntime/issues/13808. `answers` starts this file as a program
that imports nothing else of mnist_core, hands it a model and images, and takes what it says.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class OnnxRuntimeError(Exception):
    """Say why ONNX Runtime did not answer."""


def answers(
    model: bytes, images: npt.NDArray[Any], *, batch_sizes: Sequence[int], threads: int
) -> FloatArray:
    """Return log-probabilities [batch sizes, images, classes], batch by batch of each size.

    Raises `OnnxRuntimeError` where the model could not be loaded or run.
    """
    request = io.BytesIO()
    np.savez(
        request,
        model=np.frombuffer(model, dtype=np.uint8),
        images=images,
        batch_sizes=np.array(batch_sizes),
        threads=np.array(threads),
    )
    # -P: no folder of this package or of the user's comes before the installed libraries.
    done = subprocess.run(
        [sys.executable, "-P", __file__],
        input=request.getvalue(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OnnxRuntimeError(said[-1] if said else f"it ended with code {done.returncode}")
    found: FloatArray = np.load(io.BytesIO(done.stdout))
    return found


def session(model: bytes, *, threads: int) -> Any:
    """Load a model on the CPU, with threads that sleep while there is nothing to do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _serve(request: bytes) -> bytes:
    asked = np.load(io.BytesIO(request))
    images = asked["images"]
    loaded = session(asked["model"].tobytes(), threads=int(asked["threads"]))
    found = [
        np.concatenate(
            [
                loaded.run(["output"], {"input": images[start : start + size]})[0]
                for start in range(0, len(images), size)
            ]
        )
        for size in asked["batch_sizes"].tolist()
    ]
    response = io.BytesIO()
    np.save(response, np.stack(found))
    return response.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_serve(sys.stdin.buffer.read()))
