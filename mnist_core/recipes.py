"""Named recipes: whole configurations that are worth a name, as `train --recipe NAME` takes them.

`baseline` is the recipe of the original README. With no more parameters than its network, `speed`
reaches 99 % in the shortest time, and `accuracy` the highest accuracy. docs/recipes.md says how
they were found, and what did not help.
Importing this module is cheap.
"""

from mnist_core.config import TrainConfig
from mnist_core.errors import require_known

RECIPES: dict[str, TrainConfig] = {
    "baseline": TrainConfig(),
    "speed": TrainConfig(
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
    "accuracy": TrainConfig(
        network_options={
            "layers": (16, 16, "pool", 24, 24, "pool", 24, 28),
            "padding": True,
            "normalisation": "batch",
            "activation": "silu",
            "head": "mean",
            "views": 5,
        },
        optimizer="adamw",
        learning_rate=0.01,
        schedule="one-cycle",
        epochs=24,
        batch_size=128,
        averaging=0.998,
        recalibration_images=20_000,
        train_on_validation=True,
        interpolation="bilinear",
        rotation_degrees=12.0,
        translation=0.1,
        scaling=0.12,
        shear_degrees=8.0,
        elastic=0.03,
        precision="bfloat16",
    ),
}


def recipe(name: str) -> TrainConfig:
    """Return a recipe; an unknown name is a `UserError` that names the known ones."""
    require_known("recipe", name, RECIPES)
    return RECIPES[name]
