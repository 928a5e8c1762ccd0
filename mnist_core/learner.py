"""What a run changes from step to step: a network, the average of its weights, an optimizer."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mnist_core import model as models
from mnist_core import optimizers
from mnist_core.checkpoint import Checkpoint
from mnist_core.config import TrainConfig
from mnist_core.data import Dataset
from mnist_core.own_optimizers import failures_of
from mnist_core.step import set_learning_rate, training_step


class Learner:
    """The state of one run, as its configuration begins it.

    Raises `OptimizerError` where the optimizer refuses its options, or fails in a step.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        device = dataset.train.labels.device
        self.trained = models.build_for(config, device=device)
        self.optimizer = optimizers.build(
            config.optimizer,
            self.trained.parameters(),
            learning_rate=config.learning_rate,
            options=config.optimizer_options,
        )
        self._config = config
        self._called: nn.Module = self.trained
        if config.precision == "bfloat16":
            self._called = models.Bfloat16(self.trained)
        self._average = None
        if config.averaging:
            average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(self.trained, multi_avg_fn=average, use_buffers=True)

    @property
    def result(self) -> models.Network:
        """Return what the run is for: the averaged network where weights are averaged, else the
        trained one."""
        if self._average is None:
            return self.trained
        return cast(models.Network, self._average.module)

    def step(self, images: Tensor, labels: Tensor, *, learning_rate: float) -> Tensor:
        """Take one step; return the loss before it, a detached scalar on the device."""
        set_learning_rate(self.optimizer, learning_rate)
        with failures_of(self._config.optimizer):
            loss = training_step(
                self._called,
                self.optimizer,
                images,
                labels,
                label_smoothing=self._config.label_smoothing,
            )
        if self._average is not None:
            self._average.update_parameters(self.trained)
        return loss

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of the same configuration."""
        saved.restore_trained(self.trained)
        saved.restore_optimizer(self.optimizer)
        if self._average is not None:
            saved.restore_model(self.result)
            self._average.n_averaged.fill_(1)  # the next step averages rather than copies
