"""Before a study starts: let every optimizer take a step where its search space ends.

What its constructor refuses there, or its step raises, is reported before anything has trained. A
loss that is not finite is no fault here: such a trial diverges, and the report says so.
"""

from collections.abc import Iterator, Mapping

import torch

from mnist_core.config import Option, TrainConfig
from mnist_core.data.splits import Dataset, require_batch_fits
from mnist_core.errors import OptimizerError, UserError
from mnist_core.optim.custom import is_custom
from mnist_core.training.state import TrainState
from study.plans.base import StudyPlan
from study.plans.optimizers import OptimizerPlan
from study.plans.space import SearchSpace, parameters_text

_IMAGES = 8


def corners(space: SearchSpace, default: Mapping[str, Option]) -> Iterator[dict[str, Option]]:
    """Yield the untuned parameters; every end and choice, the others untuned; all ends at once."""
    yield dict(default)
    for dimension in space.dimensions:
        for value in dimension.corners():
            yield {**default, dimension.name: value}
    for end in (0, -1):
        yield {dimension.name: dimension.corners()[end] for dimension in space.dimensions}


def try_plan(plan: StudyPlan, dataset: Dataset) -> None:
    """Raise `UserError` where a run of a plan could not train, as far as one step shows."""
    require_batch_fits(dataset, plan.batch_size)
    if isinstance(plan, OptimizerPlan):
        try_optimizers(plan, dataset)


def try_optimizers(plan: OptimizerPlan, dataset: Dataset) -> None:
    """Raise `UserError` where an optimizer cannot train somewhere in its space, naming where."""
    for name, space in plan.spaces.items():
        for parameters in corners(space, plan.default_parameters(name)):
            config = plan.trial_config(name, parameters)
            require_batch_fits(dataset, config.batch_size)
            if not is_custom(name) and space.is_learning_rate_alone:
                continue
            try:
                _take_a_step(config, dataset)
            except OptimizerError as error:
                raise UserError(
                    f"the search space of {name} holds {parameters_text(parameters)}, where it "
                    f"cannot train: {error}. Fix the optimizer, or its table of --space."
                ) from error


def _take_a_step(config: TrainConfig, dataset: Dataset) -> None:
    """Construct the optimizer over the network and take one step on a few images; where runs of
    several epochs keep checkpoints, save its state too."""
    state = TrainState(config, dataset)
    images = dataset.train.images[:_IMAGES].to(torch.float32) / 255
    labels = dataset.train.labels[:_IMAGES]
    state.step(images, labels, learning_rate=config.learning_rate)
    if config.epochs > 1 and is_custom(config.optimizer):
        state.saved()
