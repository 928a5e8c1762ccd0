"""mnist_core.runtime.results_index: one line per run, newest first, none lost."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist_core.runtime.results_index import add_line

HEADER = ("started", "finding")


@pytest.fixture
def index(tmp_path):
    return tmp_path / "README.md"


def add(index, key, *cells, section="studies", title="Studies"):
    add_line(index, section=section, title=title, header=HEADER, key=key, cells=cells)


def links(index):
    return re.findall(r"\[report\]\((.+?)\)", index.read_text())


def test_a_new_index_has_a_title_a_section_and_a_link_to_the_report(index):
    add(index, "mnist/run-1", "2026-01-01", "Adam")
    text = index.read_text()
    assert text.startswith("# Results\n")
    assert "\n## Studies\n" in text
    assert "| 2026-01-01 | Adam | [report](mnist/run-1/report.md) |" in text


def test_rows_are_newest_first_whatever_the_order_and_the_folder(index):
    for key in ("a/run-2026-02", "b/run-2026-03", "c/run-2026-01"):
        add(index, key, "started", key)
    assert links(index) == [
        "b/run-2026-03/report.md",
        "a/run-2026-02/report.md",
        "c/run-2026-01/report.md",
    ]


def test_rows_are_ordered_by_their_start_whatever_their_folders_are_called(index):
    add(index, "sprint-1", "2026-01-01T10:00:00Z", "first")
    add(index, "record-1", "2026-01-03T10:00:00Z", "last")
    add(index, "table", "2026-01-02T10:00:00Z", "second")
    assert links(index) == ["record-1/report.md", "table/report.md", "sprint-1/report.md"]


def test_the_same_run_replaces_its_line(index):
    add(index, "run-1", "started", "partial")
    add(index, "run-2", "started", "other")
    add(index, "run-1", "started", "finished")
    text = index.read_text()
    assert links(index) == ["run-2/report.md", "run-1/report.md"]
    assert "finished" in text
    assert "partial" not in text


def test_sections_and_what_a_person_wrote_around_them_are_kept(index):
    add(index, "run-1", "started", "a study")
    index.write_text(index.read_text() + "\nA remark by hand.\n")
    add(index, "run-2", "started", "a benchmark", section="benchmarks", title="Benchmarks")
    add(index, "run-3", "started", "a second study")
    text = index.read_text()
    assert "A remark by hand." in text
    studies, benchmarks = text.split("## Benchmarks")
    assert "a study" in studies
    assert "a second study" in studies
    assert "a benchmark" in benchmarks
    assert text.count("## Studies") == 1


def test_a_cell_cannot_break_the_table(index):
    add(index, "run-1", "a | b", "two\nlines")
    row = next(line for line in index.read_text().splitlines() if "[report]" in line)
    assert row == r"| a \| b | two lines | [report](run-1/report.md) |"
    add(index, "run-2", "c", "d")
    assert row in index.read_text().splitlines()


def test_every_row_has_as_many_columns_as_the_header(index):
    add(index, "run-1", "started", "finding")
    table = [line for line in index.read_text().splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert {line.count("|") for line in table} == {len(HEADER) + 2}


def test_runs_that_end_at_once_all_appear(index):
    keys = [f"run-{number:02d}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: add(index, key, "started", key), keys))
    assert sorted(links(index)) == [f"{key}/report.md" for key in keys]
