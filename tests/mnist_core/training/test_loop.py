"""The training loop: against a plain loop, its record, divergence, and what it saves."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F

from mnist_core.data.splits import Split
from mnist_core.errors import UserError
from mnist_core.models.network import build_network, weights_digest
from mnist_core.optim.registry import build_optimizer
from mnist_core.optim.schedules import multiplier
from mnist_core.training import resume, state
from mnist_core.training.batches import epoch_batches
from mnist_core.training.checkpoint import read_checkpoint
from mnist_core.training.epoch_record import epoch_record_from_dict
from mnist_core.training.evaluation import evaluate
from mnist_core.training.loop import Progress, train

CPU = torch.device("cpu")


class StoppedError(Exception):
    """Ends a run as a kill would: without its goodbyes."""


def stop_in_epoch(number: int):
    def observe(progress: Progress) -> None:
        if progress.epoch == number:
            raise StoppedError

    return observe


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_training_is_a_plain_loop_bit_for_bit(schedule, small_digits, make_config):
    config = make_config(schedule=schedule)
    net = build_network(seed=0, device=CPU)
    optimizer = build_optimizer("adam", net.parameters(), learning_rate=1.0)
    losses: list[list[float]] = []
    step = 0
    for epoch in (1, 2):
        losses.append([])
        for images, labels in epoch_batches(small_digits, config, epoch=epoch):
            optimizer.param_groups[0]["lr"] = 3e-3 * multiplier(schedule, step / 16)
            optimizer.zero_grad()
            loss = F.nll_loss(net(images), labels)
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
            step += 1
    result = train(config, small_digits)
    assert result.weights_sha256 == weights_digest(net)
    assert [list(epoch.window_losses) for epoch in result.epochs] == losses
    expected = evaluate(net, small_digits, small_digits.validation)
    assert result.validation_accuracy == expected.accuracy
    assert result.epochs[-1].validation_loss == expected.loss


def test_a_completed_run_records_every_epoch(small_digits, make_config):
    result = train(make_config(epochs=3), small_digits)
    assert (result.status, result.steps, result.diverged_at_step) == ("completed", 24, None)
    assert [record.epoch for record in result.epochs] == [1, 2, 3]
    for record in result.epochs:
        assert record.train_seconds > 0 < record.evaluation_seconds
        assert record.validation_accuracy in [count / 100 for count in range(101)]
    seconds = sum(record.train_seconds for record in result.epochs)
    assert result.images_per_second == pytest.approx(3 * 256 / seconds)
    assert result.weights_sha256 == weights_digest(result.model)


def test_training_learns_digits(digits, make_config):
    config = make_config(epochs=3, schedule="one-cycle", rotation_degrees=0, translation=0)
    assert train(config, digits).validation_accuracy > 0.8


@pytest.mark.parametrize(
    ("batch_size", "windows", "steps"), [(32, 8, 8), (6, 14, 42), (12, 11, 21), (256, 1, 1)]
)
def test_progress_is_reported_about_twenty_times_an_epoch_and_at_its_end(
    batch_size, windows, steps, small_digits, make_config
):
    seen: list[Progress] = []
    result = train(make_config(batch_size=batch_size), small_digits, observe=seen.append)
    for epoch in (1, 2):
        of_epoch = [progress for progress in seen if progress.epoch == epoch]
        assert len(of_epoch) == windows + 1
        assert [progress.finished_epoch for progress in of_epoch[:-1]] == [None] * windows
        assert of_epoch[-1].finished_epoch == result.epochs[epoch - 1]
        assert of_epoch[-1].step == of_epoch[-2].step == of_epoch[0].steps == steps
        reported = tuple(progress.train_loss for progress in of_epoch[:-1])
        assert reported == result.epochs[epoch - 1].window_losses
        assert all(progress.images_per_second > 0 for progress in of_epoch)


def test_a_windows_loss_is_the_mean_of_its_steps(small_digits, make_config, monkeypatch):
    losses = []
    step = state.training_step

    def record(*arguments, **keywords):
        losses.append(step(*arguments, **keywords))
        return losses[-1]

    monkeypatch.setattr(state, "training_step", record)
    (epoch,) = train(make_config(batch_size=6, epochs=1), small_digits).epochs  # 42 steps
    expected = [
        float(torch.stack(losses[start : start + 3]).mean(dtype=torch.float64))
        for start in range(0, 42, 3)
    ]
    assert list(epoch.window_losses) == expected


def test_what_an_observer_raises_ends_the_run(small_digits, make_config):
    with pytest.raises(StoppedError):
        train(make_config(), small_digits, observe=stop_in_epoch(1))


def test_the_test_split_is_not_touched(small_digits, make_config):
    missing = replace(small_digits, test=Split(torch.zeros(0), torch.zeros(0)))
    expected = train(make_config(epochs=1), small_digits)
    assert train(make_config(epochs=1), missing).weights_sha256 == expected.weights_sha256


def test_data_of_another_name_are_refused(small_digits, make_config):
    with pytest.raises(UserError, match="the configuration is for mnist, the data are digits"):
        train(make_config(dataset="mnist"), small_digits)


def test_a_batch_larger_than_the_split_is_refused(small_digits, make_config):
    with pytest.raises(UserError, match=r"batch_size must be <= 256, .* got 257"):
        train(make_config(batch_size=257), small_digits)


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"), [("sgd", 100.0), ("adam", 1e4), ("adam", 1e30)]
)
def test_an_absurd_learning_rate_diverges_early(
    optimizer, learning_rate, small_digits, make_config
):
    config = make_config(optimizer=optimizer, learning_rate=learning_rate, epochs=50)
    result = train(config, small_digits)
    assert result.status == "diverged"
    assert result.diverged_at_step == result.steps <= 16
    assert result.validation_accuracy is None
    values = {**asdict(replace(result, model=None)), "config": config.to_dict()}
    assert json.loads(json.dumps(values, allow_nan=False))["status"] == "diverged"


@pytest.fixture
def train_with_losses(small_digits, make_config, monkeypatch):
    """Train two epochs of 8 or more steps, in which the losses are those given."""

    def run(losses: list[float], *, batch_size: int = 32):
        given = iter(losses + [1.0] * 1_000)
        step = state.training_step

        def stand_in(*arguments, **keywords):
            step(*arguments, **keywords)
            return torch.tensor(next(given))

        monkeypatch.setattr(state, "training_step", stand_in)
        return train(make_config(batch_size=batch_size), small_digits)

    return run


@pytest.mark.parametrize("batch_size", [32, 6])
@pytest.mark.parametrize("position", [0, 1, 7, 40, 41])
def test_a_single_spike_of_the_loss_is_not_divergence(position, batch_size, train_with_losses):
    result = train_with_losses([2.3] * position + [1e6], batch_size=batch_size)
    assert result.status == "completed"


def test_spikes_with_better_steps_between_them_do_not_add_up(train_with_losses):
    # Windows of three steps: three bad ones, nine steps, then a good one, and so on.
    losses = ([1e6] * 9 + [2.3] * 3) * 7
    assert train_with_losses(losses, batch_size=6).status == "completed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("batch_size", "noticed_at"), [(32, 6), (6, 6), (2, 7)])
def test_a_loss_that_is_not_finite_ends_the_run_with_its_window(
    value, batch_size, noticed_at, train_with_losses
):
    result = train_with_losses([2.3] * 5 + [value], batch_size=batch_size)  # at the sixth step
    assert (result.status, result.diverged_at_step) == ("diverged", noticed_at)


@pytest.mark.parametrize(("batch_size", "noticed_at"), [(32, 8), (6, 12), (2, 14)])
def test_a_loss_that_stays_beyond_all_measure_ends_the_run(
    batch_size, noticed_at, train_with_losses
):
    result = train_with_losses([30.0] * 100, batch_size=batch_size)
    assert (result.status, result.diverged_at_step) == ("diverged", noticed_at)


def test_weights_broken_by_an_epochs_last_step_are_divergence(small_digits, make_config, tmp_path):
    # One step an epoch: the loss before the step is fine, the validation after it is not.
    config = make_config(optimizer="sgd", learning_rate=1e30, batch_size=256)
    result = train(config, small_digits, resume_file=tmp_path / "resume.pt")
    assert (result.status, result.diverged_at_step, result.epochs) == ("diverged", 1, ())


def test_a_diverged_run_stays_diverged_when_resumed(small_digits, make_config, tmp_path):
    config = make_config(optimizer="sgd", learning_rate=100.0)
    path = tmp_path / "resume.pt"
    first = train(config, small_digits, resume_file=path)
    again = train(config, small_digits, resume_file=path, observe=stop_in_epoch(1))
    assert (again.status, again.diverged_at_step) == ("diverged", first.diverged_at_step)
    assert again.weights_sha256 == first.weights_sha256


def test_state_and_network_are_written_after_every_epoch(small_digits, make_config, tmp_path):
    files = {"resume_file": tmp_path / "state", "checkpoint": tmp_path / "network"}
    saved = []

    def look(progress):
        if progress.step == 1 and progress.epoch > 1:
            records = (resume.read(tmp_path / "state"), read_checkpoint(tmp_path / "network"))
            saved.append([len(of.record["epochs"]) for of in records])

    result = train(make_config(epochs=3), small_digits, observe=look, **files)
    last = read_checkpoint(tmp_path / "network")
    assert [*saved, [len(last.record["epochs"])] * 2] == [[1, 1], [2, 2], [3, 3]]
    assert weights_digest(last.network(device=CPU)) == result.weights_sha256
    assert [epoch_record_from_dict(values) for values in last.record["epochs"]] == [*result.epochs]


def test_a_network_that_a_kill_left_behind_is_written_on_resuming(
    small_digits, make_config, tmp_path
):
    files = {"resume_file": tmp_path / "state", "checkpoint": tmp_path / "network"}
    train(make_config(), small_digits, **files)
    (tmp_path / "network").write_bytes(b"of the epoch before")
    finished = train(make_config(), small_digits, observe=stop_in_epoch(1), **files)
    written = read_checkpoint(tmp_path / "network").network(device=CPU)
    assert weights_digest(written) == finished.weights_sha256


def test_a_finished_run_is_read_back_without_training(small_digits, make_config, tmp_path):
    path = tmp_path / "resume.pt"
    first = train(make_config(), small_digits, resume_file=path)
    again = train(make_config(), small_digits, resume_file=path, observe=stop_in_epoch(1))
    assert again == first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": 0.5}, "learning_rate 0.003, now 0.5"),
        ({"optimizer": "sgd"}, "optimizer 'adam', now 'sgd'"),
        ({"epochs": 3, "seed": 7}, "epochs 2, now 3; seed 0, now 7"),
    ],
)
def test_a_state_of_another_configuration_is_refused_with_the_differences(
    change, said, small_digits, make_config, tmp_path
):
    path = tmp_path / "resume.pt"
    train(make_config(), small_digits, resume_file=path)
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        train(make_config(**change), small_digits, resume_file=path)
    for part in (str(path), said, "Use its options, or another folder"):
        assert part in str(caught.value)
    assert path.read_bytes() == before


def test_a_state_of_other_data_is_refused(digits, small_digits, make_config, tmp_path):
    path = tmp_path / "resume.pt"
    train(make_config(), small_digits, resume_file=path)
    with pytest.raises(UserError, match="was trained on other data than digits here"):
        train(make_config(), digits, resume_file=path)
