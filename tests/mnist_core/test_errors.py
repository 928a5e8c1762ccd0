"""How commands end: 2 for what a user can correct, 130 for a signal, else a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from support import ROOT

from mnist_core.errors import UserError, run_command, unknown_name, with_hint


def raising(error: BaseException):
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("code", [0, 1])
def test_a_commands_own_exit_code_is_kept(code, capsys):
    assert run_command(lambda: code) == code
    assert capsys.readouterr().err == ""


def test_a_users_error_is_one_line_and_exit_code_2(capsys):
    assert run_command(raising(UserError("epochs must be >= 1, got 0"))) == 2
    assert capsys.readouterr().err == "error: epochs must be >= 1, got 0\n"


def test_an_error_of_the_system_names_the_file_and_promises_nothing(capsys):
    assert run_command(raising(OSError(28, "No space left on device", "/some/file"))) == 2
    assert capsys.readouterr().err == (
        "error: the operating system refused: No space left on device (/some/file)\n"
    )


@pytest.mark.parametrize("flush", [True, False])
def test_output_that_nobody_reads_any_more_ends_quietly_as_sigpipe_does(flush, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from mnist_core.errors import run_command\n"
        "def command():\n"
        "    sys.stdin.read()\n"
        f"    print('unread', flush={flush})\n"
        "    return 0\n"
        "sys.exit(run_command(command))\n"
    )
    with subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_broken_pipe_to_somebody_else_is_an_error(capsys):
    assert run_command(raising(BrokenPipeError(32, "Broken pipe"))) == 2
    assert "the operating system refused: Broken pipe" in capsys.readouterr().err


def test_ctrl_c_is_exit_code_130_and_promises_nothing(capsys):
    assert run_command(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_command_that_knows_how_to_go_on_is_heard(error, capsys):
    @with_hint(lambda: "Continue with: this")
    def command() -> int:
        raise error

    assert run_command(command) in (2, 130)
    assert capsys.readouterr().err.endswith(". Continue with: this\n")


def test_sigterm_interrupts_as_ctrl_c_does():
    def command() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return 0

    assert run_command(command) == 130


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("ours"), ZeroDivisionError()])
def test_a_defect_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run_command(raising(error))


def test_an_unknown_name_is_refused_with_the_known_ones_in_order():
    assert str(unknown_name("thing", "c", ["b", "a"])) == "unknown thing 'c'; known: a, b"
