"""ONNX Runtime in a separate process: in the same one it would slow torch down.

See https://github.com/microsoft/onnxruntime/issues/13808. `answers` starts this file as a program,
which imports nothing else of mnist_core, sends it a model and images, and returns its output.
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class OnnxRuntimeError(Exception):
    """Report why ONNX Runtime failed."""


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
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise OnnxRuntimeError(lines[-1] if lines else f"it ended with code {done.returncode}")
    outputs: FloatArray = np.load(io.BytesIO(done.stdout))
    return outputs


def session(model: bytes, *, threads: int) -> Any:
    """Load a model on the CPU, with threads that sleep while they are idle."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _serve(request: bytes) -> bytes:
    values = np.load(io.BytesIO(request))
    images = values["images"]
    loaded = session(values["model"].tobytes(), threads=int(values["threads"]))
    outputs = [
        np.concatenate(
            [
                loaded.run(["output"], {"input": images[start : start + size]})[0]
                for start in range(0, len(images), size)
            ]
        )
        for size in values["batch_sizes"].tolist()
    ]
    response = io.BytesIO()
    np.save(response, np.stack(outputs))
    return response.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_serve(sys.stdin.buffer.read()))
