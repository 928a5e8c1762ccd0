"""What reports are made of: atomic files, tables, formats, and an interval of known values."""

from __future__ import annotations

import json
import math
import os
import signal
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_core.runtime import formatting as report


@pytest.mark.parametrize("content", ["größer\n", b"\0\xff", "", "x" * 1_000_000])
def test_a_file_is_written_whole_and_readable_by_others(content, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    report.write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_no_other(moment, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(type(error)) as caught:
        report.write_atomically(path, "new")
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (28, str(path))
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_kill_at_the_last_moment_leaves_the_old_file(tmp_path, run_python):
    path = tmp_path / "file"
    path.write_text("old")
    code = "import os, pathlib, signal; from mnist_core.runtime import formatting\n"
    code += "os.replace = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += f"formatting.write_atomically(pathlib.Path({str(path)!r}), 'new')"
    assert run_python("-c", code).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_the_new_content_is_on_disk_before_it_gets_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append("fsync"), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    report.write_atomically(tmp_path / "file", "new")
    assert calls == ["fsync", "replace"]


def test_json_is_written_indented_with_a_last_newline(tmp_path):
    report.write_json(tmp_path / "file", {"a": [1, None, "ü"]})
    text = (tmp_path / "file").read_text()
    assert json.loads(text) == {"a": [1, None, "ü"]}
    assert text.endswith("}\n")
    assert text.count("\n") > 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_know_are_refused(value, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.write_json(tmp_path / "file", {"a": value})
    assert list(tmp_path.iterdir()) == []


def test_a_table_aligns_numbers_right_and_keeps_text_as_it_is():
    table = report.markdown_table(
        [["adam", "1e-3"], ["sgd", "0.10"]], header=["name", "rate"], numeric=["rate"]
    )
    assert table.splitlines() == [
        "| name   |   rate |",
        "|:-------|-------:|",
        "| adam   |   1e-3 |",
        "| sgd    |   0.10 |",
    ]


def test_what_a_cell_holds_cannot_end_it():
    table = report.markdown_table([["a | b", "1\n2"]], header=["x|y", "z"])
    assert table.splitlines()[0] == "| x\\|y   | z   |"
    assert table.splitlines()[2] == "| a \\| b | 1 2 |"


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (9_880, 10_000, 98.57, 99.00),  # as 10,000 test images at 98.8 %
        (81, 263, 25.53, 36.62),  # Newcombe 1998, table I, method 3
        (15, 148, 6.24, 16.05),
        (0, 20, 0.00, 16.11),
        (1, 29, 0.61, 17.18),
    ],
)
def test_the_interval_has_the_published_values(successes, trials, low, high):
    interval = report.wilson_interval(successes, trials)
    assert [100 * bound for bound in interval] == pytest.approx([low, high], abs=0.006)


@settings(deadline=None)  # the first example imports SciPy
@given(data=st.data(), trials=st.integers(1, 10_000), confidence=st.floats(0.5, 0.999))
def test_the_interval_is_wilsons_formula(data, trials, confidence):
    from scipy.stats import norm

    successes = data.draw(st.integers(0, trials))
    z, p = norm.ppf(0.5 + confidence / 2), successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    low, high = report.wilson_interval(successes, trials, confidence=confidence)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert 0 <= low <= p <= high <= 1


def test_the_interval_covers_the_truth_as_often_as_it_says():
    from scipy.stats import binom

    for truth in (0.9, 0.98, 0.992):
        covered = 0.0
        for successes in range(1_001):
            low, high = report.wilson_interval(successes, 1_000)
            covered += binom.pmf(successes, 1_000, truth) * (low <= truth <= high)
        assert covered == pytest.approx(0.95, abs=0.015)


def test_fractions_are_formatted_as_percentages():
    assert report.percent(0.98765) == "98.77 %"
    assert report.percent(0.5, digits=0) == "50 %"
    assert report.percent_interval(0.9857, 0.99) == "98.57 to 99.00 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (3.21, "3.2 s"),
        (45.4, "45 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (601, "11 min"),
        (5_340, "89 min"),
        (5_400, "1 h 30 min"),
        (7_200, "2 h 0 min"),
    ],
)
def test_durations_are_said_as_a_person_would(seconds, text):
    assert report.duration(seconds) == text
