"""bench.report as a command, and its page, on the records that are committed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from bench import report
from bench.analysis import record_file
from bench.analysis.record import CaseRecord, Record
from bench.analysis.summary import is_compared, summarise
from bench.reporting import inference_plots, page, plots

RESULTS = ROOT / "results" / "bench"
COMMITTED = sorted(path.parent for path in RESULTS.glob("c*/*/record.json"))
LATENCY = "cpu: inference latency, batch 1, one thread/inference mode, channels-last"


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.iterdir() if path.suffix in (".md", ".png"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    "folder",
    [*(pytest.param(folder, marks=pytest.mark.slow) for folder in COMMITTED[:-1]), COMMITTED[-1]],
    ids=lambda folder: folder.parent.name,
)
def test_a_committed_report_is_built_again_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "record.json", tmp_path)
    assert report.main([str(tmp_path / "record.json")]) == 0
    first = digests(tmp_path)
    assert (tmp_path / "report.md").read_bytes() == (folder / "report.md").read_bytes()
    assert set(first) == set(digests(folder))
    assert report.main([str(tmp_path)]) == 0
    assert digests(tmp_path) == first


def test_the_record_that_is_named_is_rendered_and_no_other_run_s_report_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "draw", lambda summary, folder: [])
    run = record_file.read(COMMITTED[0])
    record_file.write(tmp_path, run)
    (tmp_path / "report.md").write_text("the other run's")
    (tmp_path / "old.json").write_text(
        record_file.to_json(replace(run, created_utc="2020-02-02 02:02"))
    )
    assert report.main([str(tmp_path / "old.json")]) == 0
    assert f"wrote {tmp_path / 'old' / 'report.md'}" in capsys.readouterr().out
    assert "2020-02-02 02:02 UTC" in (tmp_path / "old" / "report.md").read_text()
    assert (tmp_path / "report.md").read_text() == "the other run's"


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: f"{folder.parent.name}")
def test_a_committed_report_shows_its_pictures_and_names_no_path_or_host(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    pictures = set(re.findall(r"!\[[^]]*\]\((\S+\.png)\)", text))
    assert pictures
    assert pictures == {path.name for path in folder.glob("*.png")}
    assert not re.search(r"/(home|root|tmp|work)/|@|://(?!ui\.perfetto\.dev)", text)


def slowed(run: Record, group_name: str, *, factor: float) -> Record:
    """Return a record with one group slower."""

    def case_of(case: CaseRecord) -> CaseRecord:
        return replace(case, blocks=tuple(tuple(factor * t for t in b) for b in case.blocks))

    groups = [
        replace(group, cases=tuple(map(case_of, group.cases)))
        if group.name == group_name
        else group
        for group in run.groups
    ]
    return replace(run, groups=tuple(groups))


@pytest.mark.parametrize("threads", ["one thread", "all threads"])
def test_the_latencies_share_an_axis_that_holds_all_of_them(threads: str) -> None:
    run = record_file.read(COMMITTED[0])
    made = slowed(run, f"cpu: inference latency, batch 1, {threads}", factor=50.0)
    figure = inference_plots.latency(summarise(made))
    assert figure is not None
    highest = 1e6 * max(
        np.percentile(case.samples(), 99)
        for group in made.groups
        if group.metric == "latency"
        for case in group.cases
        if is_compared(case.workload)
    )
    for axes in figure.axes:
        assert axes.get_xlim()[0] == 0
        assert axes.get_xlim()[1] > highest


def test_the_picture_leaves_out_the_percentiles_that_the_table_refuses() -> None:
    run = record_file.read(COMMITTED[0])

    def known(change: Callable[[CaseRecord], CaseRecord]) -> set[float]:
        groups = [
            replace(group, cases=tuple(map(change, group.cases)))
            for group in run.groups
            if group.metric == "latency"
        ]
        (group, _) = summarise(replace(run, groups=tuple(groups))).of("inference", "latency")
        return set(inference_plots.known_percentiles(group.rows[0]))

    assert known(lambda case: case) == {5.0, 50.0, 95.0, 99.0}
    assert known(lambda case: replace(case, blocks=tuple(block[:6] for block in case.blocks))) == {
        5.0,
        50.0,
        95.0,
    }


@pytest.mark.parametrize(
    ("heights", "shifts"),
    [
        ([10.0, 50.0, 90.0], [0.0, 0.0, 0.0]),
        ([88.0, 90.0, 20.0], [-11.0, 0.0, 0.0]),
        ([85.0, 90.0, 80.0], [-8.0, 0.0, -16.0]),
        ([], []),
    ],
)
def test_labels_move_down_only_where_they_would_touch(
    heights: list[float], shifts: list[float]
) -> None:
    assert inference_plots.apart(heights, gap=13.0) == shifts


def test_a_report_says_which_blocks_were_not_alike_and_what_its_intervals_hold_for() -> None:
    run = record_file.read(COMMITTED[0])
    text = page.render(summarise(run), [])
    assert "all were steady" not in text
    assert "Two runs of the same code differ by more" in text

    def bimodal(case: CaseRecord) -> CaseRecord:
        if case.workload.id != LATENCY:
            return case
        blocks = [tuple(2.0 * t for t in b) if i < 6 else b for i, b in enumerate(case.blocks)]
        return replace(case, blocks=tuple(blocks))

    groups = [replace(group, cases=tuple(map(bimodal, group.cases))) for group in run.groups]
    text = page.render(summarise(replace(run, groups=tuple(groups))), [])
    (row,) = re.findall(r"\| inference mode, channels-last .*bimodal .*", text)
    assert row
    name, group = LATENCY.removeprefix("cpu: ").split("/")[::-1]
    assert f"{name} ({group}): bimodal" in text
