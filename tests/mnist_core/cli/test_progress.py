"""Progress: plain lines where there is no terminal, a bar that can be read where there is one."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable

import pytest

from mnist_core.cli.progress import ProgressDisplay
from mnist_core.training.loop import EpochRecord, Progress


def progress(epoch: int, step: int, *, finished: bool = False) -> Progress:
    record = EpochRecord(
        epoch=epoch,
        window_losses=(0.5,),
        validation_loss=0.1,
        validation_accuracy=0.9756,
        train_seconds=9.0,
        evaluation_seconds=1.0,
    )
    return Progress(
        epoch=epoch,
        step=step,
        steps=10,
        train_loss=0.1234567,
        images_per_second=5_432.1,
        finished_epoch=record if finished else None,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def open_terminal(monkeypatch) -> Callable[[], Terminal]:
    """Make stderr a terminal, from the call on (pytest sets its own before each test)."""

    def open_it() -> Terminal:
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return open_it


def test_without_a_terminal_each_epoch_is_one_plain_line(capsys):
    with contextlib.closing(ProgressDisplay(epochs=3)) as display:
        for epoch in (1, 2):
            display.observe(progress(epoch, 5))
            display.observe(progress(epoch, 10))
            display.observe(progress(epoch, 10, finished=True))
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        f"epoch {epoch}/3: loss 0.1235, validation accuracy 97.56%, 5,432 images/s, "
        f"about {left} s left"
        for epoch, left in ((1, 20), (2, 10))
    ]


def test_on_a_terminal_a_bar_shows_loss_validation_speed_and_time_left(open_terminal, capsys):
    terminal = open_terminal()
    with contextlib.closing(ProgressDisplay(epochs=3)) as display:
        display.observe(progress(1, 5))
        display.observe(progress(1, 10, finished=True))
        display.observe(progress(2, 5))
    last = terminal.getvalue().split("\r")[-1]
    for part in ("15/30", "50%", "<", "epoch 2/3", "loss 0.1235", "validation 97.56%", "5,432 im"):
        assert part in last
    assert capsys.readouterr().out == ""


def test_before_the_first_validation_the_bar_says_that_there_is_none(open_terminal):
    terminal = open_terminal()
    with contextlib.closing(ProgressDisplay(epochs=3)) as display:
        display.observe(progress(1, 5))
    assert "validation –" in terminal.getvalue()


def test_a_resumed_run_starts_where_it_stopped(open_terminal):
    open_terminal()
    with contextlib.closing(ProgressDisplay(epochs=3)) as display:
        display.observe(progress(3, 1))
        assert (display._bar.initial, display._bar.n, display._bar.total) == (20, 21, 30)


def test_the_bar_is_closed_when_the_run_ends_in_an_error(open_terminal):
    terminal = open_terminal()
    display = ProgressDisplay(epochs=3)

    def break_off() -> None:
        with contextlib.closing(display):
            display.observe(progress(1, 5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert display._bar.disable  # tqdm's mark of a closed bar
    assert terminal.getvalue().endswith("\n")
