"""Whole epochs of steps without the host in between; on CUDA they are replayed from one graph.

What changes from step to step (images, their transforms, the learning rate, the place of the loss)
lies on the device, in rows that the device itself counts. So no step waits for the host, and one
captured step serves all of them. Operations and bits are those of `epoch_batches` and
`TrainState.step`.
"""

import warnings

import torch
from torch import Tensor

from mnist_core.training.batches import Draws, draw_epoch, prepare, steps_per_epoch
from mnist_core.training.state import TrainState
from mnist_core.training.step import learning_rates

WARM_UP_STEPS = 3
"""Steps of a run before one is captured: the libraries' workspaces and the optimizer's state must
exist by then."""


class GraphedSteps:
    """The steps of one run, with all that they need on the device of its data.

    With `is_captured`, which needs CUDA, the steps after the first few are replayed from a graph;
    the bits are the same.
    """

    def __init__(self, state: TrainState, *, is_captured: bool) -> None:
        self._state = state
        self._device = state.dataset.train.labels.device
        self._steps = steps_per_epoch(state.dataset, state.config.batch_size)
        self._counter = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._losses = torch.zeros(self._steps, device=self._device)
        self._rates = torch.zeros(self._steps, dtype=torch.float64, device=self._device)
        self._rows = torch.arange(self._steps, device=self._device)
        self._draws: Draws | None = None
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream() if is_captured else None  # type: ignore[no-untyped-call]

    def run_epoch(self, epoch: int) -> Tensor:
        """Take all steps of an epoch; return their losses [steps] float32, on the device.

        On CUDA they are only enqueued: reading the losses waits for them.
        """
        self._load(epoch)
        for _ in range(self._steps):
            if self._stream is None:
                self._advance()
            elif self._taken < WARM_UP_STEPS:
                self._advance_on(self._stream)
            else:
                self._replay(self._stream)
            self._taken += 1
        return self._losses

    def _load(self, epoch: int) -> None:
        """Bring an epoch's draws and learning rates into the tensors that the steps read."""
        config = self._state.config
        by_step = draw_epoch(self._state.dataset, config, epoch=epoch).map(
            lambda tensor: tensor.view(self._steps, config.batch_size, *tensor.shape[1:])
        )
        if self._draws is None:
            self._draws = by_step.map(lambda tensor: tensor.to(self._device))
        else:
            held = self._draws.tensors()
            for name, tensor in by_step.tensors().items():
                held[name].copy_(tensor)
        rates = learning_rates(config, epoch=epoch, steps=self._steps)
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64))
        self._counter.zero_()

    def _advance(self) -> None:
        """Take the step that the device's counter points at, and advance the counter."""
        assert self._draws is not None
        draws = self._draws.map(lambda tensor: tensor.index_select(0, self._counter).squeeze(0))
        images, labels = prepare(self._state.dataset, draws)
        rate = self._rates.index_select(0, self._counter).squeeze(0)
        loss = self._state.step(images, labels, learning_rate=rate)
        self._losses.copy_(torch.where(self._rows == self._counter, loss, self._losses))
        self._counter.add_(1)

    def _advance_on(self, stream: torch.cuda.Stream) -> None:
        """Take a step on the stream that will capture, as CUDA graphs want it warmed up."""
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True.*")
            self._advance()
        torch.cuda.current_stream().wait_stream(stream)

    def _replay(self, stream: torch.cuda.Stream) -> None:
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=stream):
                self._advance()
        self._graph.replay()
