"""Evaluation of a model on a split: predictions, accuracy with its interval, confusion matrix."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.data.splits import Dataset, Split
from mnist_core.runtime.formatting import wilson_interval
from mnist_core.training.batches import evaluation_batches


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model's predictions for all images of a split, and its loss."""

    loss: float
    """Mean negative log-likelihood."""
    correct: int
    count: int
    predictions: Tensor
    """[n] int64 on the CPU."""
    labels: Tensor
    """[n] int64 on the CPU."""

    @property
    def accuracy(self) -> float:
        """Return the fraction of images that are classified correctly."""
        return self.correct / self.count

    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval of the accuracy: other images, the same weights."""
        return wilson_interval(self.correct, self.count)

    def misclassified(self) -> list[int]:
        """Return the indices of the misclassified images."""
        return torch.nonzero(self.predictions != self.labels).flatten().tolist()

    def confusion_matrix(self, classes: int) -> Tensor:
        """Return counts [classes, classes] int64: rows are labels, columns predictions."""
        cells = torch.bincount(self.labels * classes + self.predictions, minlength=classes**2)
        return cells.view(classes, classes)


@torch.inference_mode()
def evaluate(model: nn.Module, dataset: Dataset, split: Split) -> Evaluation:
    """Evaluate `model` on `split`, in evaluation mode; its training mode is restored."""
    was_training = model.training
    model.eval()
    total_loss = torch.zeros((), dtype=torch.float64, device=split.labels.device)
    predictions = []
    for images, labels in evaluation_batches(dataset, split):
        log_probabilities = model(images)
        total_loss += F.nll_loss(log_probabilities, labels, reduction="sum")
        predictions.append(log_probabilities.argmax(dim=1))
    model.train(was_training)
    predicted, labels = torch.cat(predictions).cpu(), split.labels.cpu()
    return Evaluation(
        loss=float(total_loss) / len(split),
        correct=int((predicted == labels).sum()),
        count=len(split),
        predictions=predicted,
        labels=labels,
    )
