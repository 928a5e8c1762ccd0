"""Progress of one run: a bar on a terminal, a plain line per epoch where there is none."""

import sys
from typing import Any

from tqdm import tqdm

from mnist_core.training.loop import Progress


class ProgressDisplay:
    """Show loss, validation accuracy, images/s and time left, until it is closed."""

    def __init__(self, *, epochs: int) -> None:
        self._epochs = epochs
        self._is_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._validation = "–"

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def observe(self, progress: Progress) -> None:
        """Take one report of `train`."""
        epoch = progress.finished_epoch
        if epoch is not None:
            self._validation = f"{epoch.validation_accuracy:.2%}"
        if not self._is_terminal:
            if epoch is not None:
                print(
                    f"epoch {epoch.epoch}/{self._epochs}: loss {progress.train_loss:.4f}, "
                    f"validation accuracy {self._validation}, "
                    f"{progress.images_per_second:,.0f} images/s, "
                    f"about {(self._epochs - epoch.epoch) * epoch.seconds:.0f} s left",
                    flush=True,
                )
            return
        if self._bar is None:
            self._bar = tqdm(
                total=self._epochs * progress.steps,
                initial=(progress.epoch - 1) * progress.steps,
                unit="step",
            )
        self._bar.update((progress.epoch - 1) * progress.steps + progress.step - self._bar.n)
        self._bar.set_postfix_str(
            f"epoch {progress.epoch}/{self._epochs}, loss {progress.train_loss:.4f}, "
            f"validation {self._validation}, {progress.images_per_second:,.0f} images/s"
        )
