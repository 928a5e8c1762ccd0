"""Named recipes: whole configurations that are worth a name, as `train --recipe NAME` takes them.

`seed` is where this project started, and `sprint` aims at 99 % in the shortest time, with no more
parameters than the seed's network. docs/recipes.md tells how it was found, and what did not help.
Importing this module is cheap.
"""

from __future__ import annotations

from mnist_core.config import TrainConfig
from mnist_core.errors import unknown_name

RECIPES: dict[str, TrainConfig] = {
    "seed": TrainConfig(),
    "sprint": TrainConfig(
        network_options={
            "layers": ("5x5:16", "pool", 32, "pool", 48),
            "pooling": "stride",
            "normalisation": "batch",
        },
        optimizer="adamw",
        learning_rate=0.03,
        schedule="one-cycle",
        epochs=1,
        batch_size=128,
        label_smoothing=0.05,
        rotation_degrees=0.0,
        translation=0.0,
        precision="bfloat16",
    ),
}


def recipe(name: str) -> TrainConfig:
    """Return a recipe; an unknown name is a `UserError` that names the known ones."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]
