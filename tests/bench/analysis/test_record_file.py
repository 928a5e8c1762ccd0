"""bench.analysis.record_file: a record keeps every timing through JSON; what is not a record is
refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import record_file
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.workloads.registry import WORKLOADS
from mnist_core.errors import UserError


def case(blocks: tuple[tuple[float, ...], ...], *, index: int = 0) -> CaseRecord:
    return CaseRecord(
        workload=WORKLOADS[index],
        images=64,
        flops=10**9,
        bytes=10**7,
        iterations=3,
        steady=True,
        blocks=blocks,
    )


def made(blocks: tuple[tuple[float, ...], ...] = ((0.01234, 0.01301), (0.0122,))) -> Record:
    host = {
        "load_1_minute": 0.5,
        "megahertz": [2596.0],
        "steal_ticks": None,
        "all_ticks": None,
        "involuntary_switches": 7,
        "threads": 3,
    }
    group = GroupRecord(
        name=WORKLOADS[0].group,
        device="cpu",
        host_before=host,
        host_after=host,
        cases=(case(blocks), case(blocks, index=1)),
    )
    return Record(
        created_utc="2026-01-02 03:04",
        device="cpu",
        complete=False,
        command="pytest bench/",
        seconds=12.5,
        environment={
            "code": {"commit": None, "dirty": None},
            "python": "3.11",
            "packages": {"torch": "2.15.0"},
            "system": "Linux",
            "processor": "a processor",
            "cores": 2,
            "device": "cpu",
            "threads": 2,
        },
        dataset={"name": "digits", "label": "digits"},
        groups=(group,),
        skipped={"cuda: limits/copy": "no CUDA device"},
    )


def test_a_record_comes_back_as_it_was() -> None:
    original = made()
    text = record_file.to_json(original)
    assert record_file.from_json(text, where="here") == original
    assert record_file.to_json(record_file.from_json(text, where="here")) == text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda group: replace(group, cases=()), "nameless or empty"),
        (lambda group: replace(group, name="limits"), "nameless or empty"),
        (lambda group: replace(group, host_before={}), "the host's state"),
        (lambda group: with_blocks(group, ((0.01,),)), "not as many blocks as the others"),
        (lambda group: with_blocks(group, ((0.01,), ())), "not as many blocks as the others"),
        (lambda group: with_blocks(group, ((0.01,), (0.0,))), "times that are not above 0"),
        (lambda group: with_blocks(group, ((0.01,), (-0.01,))), "times that are not above 0"),
    ],
)
def test_what_no_run_leaves_is_refused(
    change: Callable[[GroupRecord], GroupRecord], words: str
) -> None:
    whole = made()
    damaged = replace(whole, groups=(change(whole.groups[0]),))
    with pytest.raises(UserError, match=f"here is not a whole record: .*{words}"):
        record_file.from_json(record_file.to_json(damaged), where="here")


def with_blocks(group: GroupRecord, blocks: tuple[tuple[float, ...], ...]) -> GroupRecord:
    first, second = group.cases
    return replace(group, cases=(first, replace(second, blocks=blocks)))


@pytest.mark.parametrize("seconds", [3.2e-7, 4.567891e-5, 0.0123456, 1.98765, 250.123])
def test_times_keep_four_digits_whatever_their_size(seconds: float) -> None:
    text = record_file.to_json(made(((seconds, 1.5 * seconds),)))
    (group,) = record_file.from_json(text, where="here").groups
    assert group.cases[0].samples() == pytest.approx([seconds, 1.5 * seconds], rel=6e-4, abs=1e-9)


def test_a_case_is_one_line_and_its_times_are_whole_numbers() -> None:
    lines = record_file.to_json(made()).splitlines()
    cases = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"workload"')]
    assert len(cases) == 2
    assert cases[0]["blocks"] == [[1234, 1301], [1220]]
    assert cases[0]["unit_nanoseconds"] == 10_000


def test_writing_needs_no_folder_and_reading_takes_folder_or_file(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    record_file.write(folder, made())
    assert record_file.read(folder) == record_file.read(folder / record_file.FILE_NAME) == made()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("[]", "must have the schema"),
        ("{}", "must have the schema"),
        ('{"schema": "compact-mnist bench 99"}', "got 'compact-mnist bench 99'"),
        ('{"schema": "compact-mnist bench 2"}', "is not a whole record"),
        ('{"schema": "compact-mnist bench 2", "groups": [{}]}', "is not a whole record"),
    ],
)
def test_what_is_no_record_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        record_file.from_json(text, where="here")


@pytest.mark.parametrize("key", ["processor", "cores", "torch", "commit", "label"])
def test_a_record_that_does_not_say_where_it_ran_is_refused(key: str) -> None:
    text = record_file.to_json(made()).replace(f'"{key}":', f'"not_{key}":')
    with pytest.raises(UserError, match=f"here is not a whole record: .*has no {key}"):
        record_file.from_json(text, where="here")


def test_an_unknown_key_of_a_workload_is_refused() -> None:
    text = record_file.to_json(made()).replace('"batch_size":', '"batch_sise":')
    with pytest.raises(UserError, match="batch_sise"):
        record_file.from_json(text, where="here")


def test_an_unknown_key_of_a_record_is_refused() -> None:
    text = record_file.to_json(made()).replace('"command":', '"comand":')
    with pytest.raises(UserError, match="is not a whole record"):
        record_file.from_json(text, where="here")


def test_the_report_of_another_schema_is_refused_with_exit_code_2(
    tmp_path: Path, run_python
) -> None:
    path = tmp_path / "record.json"
    path.write_text(
        record_file.to_json(made()).replace(record_file.SCHEMA, "compact-mnist bench 99")
    )
    done = run_python("-m", "bench.report", path)
    assert done.returncode == 2
    assert "must have the schema" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_record_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the record .*nowhere"):
        record_file.read(tmp_path / "nowhere")
