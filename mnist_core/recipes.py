"""Named recipes: whole configurations that are worth a name, as `train --recipe NAME` takes them.

`seed` is where this project started, `record` aims at the highest accuracy and `sprint` at 99 %
in the shortest time, both with no more parameters than the seed's network. How they were found,
and what did not help, is told in their reports under results/. Importing this module is cheap.
"""

from __future__ import annotations

from mnist_core.config import TrainConfig
from mnist_core.errors import unknown_name

RECIPES: dict[str, TrainConfig] = {
    "seed": TrainConfig(),
}


def recipe(name: str) -> TrainConfig:
    """Return a recipe; an unknown name is a `UserError` that names the known ones."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]
