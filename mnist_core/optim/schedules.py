"""Learning-rate schedules: pure functions of progress that scale the peak learning rate.

`multiplier("one-cycle", 0.3)` is the factor after 30 % of a run's steps. Nothing here keeps state.
"""

import math
from collections.abc import Callable

from mnist_core.errors import require_known

WARMUP_FRACTION = 0.25
START_FRACTION = 1 / 25


def constant(progress: float) -> float:
    """Keep the peak learning rate."""
    return 1.0


def cosine(progress: float) -> float:
    """Anneal from the peak to zero along half a cosine (Loshchilov & Hutter 2017, eq. 5)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def one_cycle(progress: float) -> float:
    """Warm up linearly from 1/25 of the peak over the first quarter, then anneal to zero linearly.

    The shape is Smith & Topin 2018's; 1/25 is `torch.optim.lr_scheduler.OneCycleLR`'s default.
    """
    if progress < WARMUP_FRACTION:
        return START_FRACTION + (1.0 - START_FRACTION) * progress / WARMUP_FRACTION
    return (1.0 - progress) / (1.0 - WARMUP_FRACTION)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "one-cycle": one_cycle,
}


def multiplier(name: str, progress: float) -> float:
    """Return the factor on the peak learning rate at `progress` in [0, 1) of the run's steps."""
    require_known("schedule", name, SCHEDULES)
    return SCHEDULES[name](progress)
