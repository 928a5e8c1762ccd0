"""What a run changes from step to step: its network, the average of its weights, its optimizer."""

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from mnist_core.config import TrainConfig
from mnist_core.data.splits import Dataset
from mnist_core.errors import OptimizerError
from mnist_core.models.network import Bfloat16, Network
from mnist_core.optim.custom import is_custom, one_line
from mnist_core.optim.registry import build_optimizer
from mnist_core.optim.saved_state import restore_optimizer, saved_state
from mnist_core.optim.weight_average import WeightAverage
from mnist_core.training import build
from mnist_core.training.batches import evaluation_batches
from mnist_core.training.step import set_learning_rate, training_step


class TrainState:
    """The state of one run, at first as its configuration says.

    Raises `OptimizerError` where the optimizer refuses its options, or fails in a step.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        self.config = config
        self.dataset = dataset
        self.trained = build.network(config, device=dataset.train.labels.device)
        self.optimizer = build_optimizer(
            config.optimizer,
            self.trained.parameters(),
            learning_rate=config.learning_rate,
            options=config.optimizer_options,
        )
        self._called: nn.Module = self.trained
        if config.precision == "bfloat16":
            self._called = Bfloat16(self.trained)
        self._average = WeightAverage(self.trained, config.averaging) if config.averaging else None

    @property
    def result(self) -> Network:
        """Return the run's result: the averaged network where weights are averaged, else the
        trained one."""
        return self.trained if self._average is None else self._average.network

    def step(self, images: Tensor, labels: Tensor, *, learning_rate: float | Tensor) -> Tensor:
        """Take one step; return the loss before it, a detached scalar on the device."""
        set_learning_rate(self.optimizer, learning_rate)
        smoothing = self.config.label_smoothing
        try:
            loss = training_step(
                self._called, self.optimizer, images, labels, label_smoothing=smoothing
            )
        except Exception as error:
            name = self.config.optimizer
            if not is_custom(name):  # a defect of this project, which keeps its traceback
                raise
            raise OptimizerError(f"{name} failed in a step: {one_line(error)}") from error
        if self._average is not None:
            self._average.update(self.trained)
        return loss

    def end_epoch(self) -> None:
        """Prepare the result for evaluation: compute the statistics of batch normalisation again
        where the configuration says so (precise BN).

        The running ones are of augmented images, and of other weights where weights are averaged.
        """
        count = self.config.recalibration_images
        if count:
            images = self.dataset.train[:count]
            update_bn(evaluation_batches(self.dataset, images), self.result)

    def saved(self) -> dict[str, Any]:
        """Return what a later process needs to go on with the same bits, as `torch.save` takes it;
        a state of the optimizer that cannot be saved is an `OptimizerError`."""
        return {
            "network": self.trained.state_dict(),
            "average": None if self._average is None else self._average.network.state_dict(),
            "optimizer": saved_state(self.optimizer),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `saved` returned in a run of the same configuration."""
        self.trained.load_state_dict(saved["network"])
        restore_optimizer(self.optimizer, saved["optimizer"])
        if self._average is not None:
            self._average.network.load_state_dict(saved["average"])
            self._average.is_empty = False
