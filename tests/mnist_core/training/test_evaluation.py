"""Evaluation: counts against a slow loop, over a model whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnist_core.data.splits import Split, normalise
from mnist_core.models.network import build_network, weights_digest
from mnist_core.training.evaluation import Evaluation, evaluate

CPU = torch.device("cpu")


def evaluation_of(labels: list[int], predictions: list[int]) -> Evaluation:
    return Evaluation(
        loss=0.0,
        correct=sum(a == b for a, b in zip(labels, predictions, strict=True)),
        count=len(labels),
        predictions=torch.tensor(predictions),
        labels=torch.tensor(labels),
    )


class AlwaysSeven(nn.Module):
    """Gives 7 three quarters and each other digit an equal share of the rest."""

    def __init__(self):
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, images):
        self.modes.append(self.training)
        probabilities = torch.full((len(images), 10), 0.25 / 9)
        probabilities[:, 7] = 0.75
        return probabilities.log()


def test_evaluation_is_what_a_loop_over_single_images_gives(small_digits):
    net = build_network(seed=0, device=CPU)
    split = small_digits.validation
    losses, predictions = [], []
    for image, label in zip(split.images, split.labels, strict=True):
        normalised = normalise(image[None], mean=small_digits.spec.mean, std=small_digits.spec.std)
        with torch.no_grad():
            output = net(normalised)
        losses.append(float(F.nll_loss(output, label[None])))
        predictions.append(int(output.argmax()))
    evaluation = evaluate(net, small_digits, split)
    assert evaluation.predictions.tolist() == predictions
    assert torch.equal(evaluation.labels, split.labels)
    assert evaluation.correct == sum(
        p == label for p, label in zip(predictions, split.labels.tolist(), strict=True)
    )
    assert evaluation.count == len(split)
    assert evaluation.loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_model_with_known_answers_gets_the_known_loss_and_accuracy(digits):
    sevens = int((digits.test.labels == 7).sum())
    evaluation = evaluate(AlwaysSeven(), digits, digits.test)
    assert (evaluation.correct, evaluation.count) == (sevens, 300)
    assert evaluation.accuracy == sevens / 300
    expected = -(sevens * math.log(0.75) + (300 - sevens) * math.log(0.25 / 9)) / 300
    assert evaluation.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_evaluated_in_evaluation_mode_and_its_own_restored(digits, training):
    model = AlwaysSeven().train(mode=training)
    evaluate(model, digits, digits.test)
    assert model.modes == [False]
    assert model.training is training


def test_evaluation_leaves_weights_and_gradients_alone(small_digits):
    net = build_network(seed=0, device=CPU)
    digest = weights_digest(net)
    evaluate(net, small_digits, small_digits.test)
    assert weights_digest(net) == digest
    assert all(parameter.grad is None for parameter in net.parameters())


def test_more_images_than_one_batch_are_all_counted(digits):
    images = torch.cat([digits.train.images] * 1)
    evaluation = evaluate(AlwaysSeven(), digits, Split(images, digits.train.labels))
    assert evaluation.count == len(evaluation.predictions) == 1_197


def test_misclassified_images_are_named_by_their_index():
    assert evaluation_of([0, 1, 2, 3], [0, 9, 2, 8]).misclassified() == [1, 3]
    assert evaluation_of([4, 5], [4, 5]).misclassified() == []


def test_the_confusion_matrix_has_labels_in_rows_and_predictions_in_columns():
    matrix = evaluation_of([0, 0, 1, 2], [0, 2, 2, 2]).confusion_matrix(3)
    assert matrix.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_the_confusion_matrix_adds_up(digits):
    evaluation = evaluate(build_network(seed=0, device=CPU), digits, digits.test)
    matrix = evaluation.confusion_matrix(10)
    assert torch.equal(matrix.sum(dim=1), torch.bincount(digits.test.labels, minlength=10))
    assert int(matrix.trace()) == evaluation.correct
    assert int(matrix.sum()) - evaluation.correct == len(evaluation.misclassified())


def test_the_interval_is_wilsons():
    low, high = evaluation_of([1] * 10, [1] * 9 + [0]).interval()
    assert (low, high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
