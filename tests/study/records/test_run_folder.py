"""study.records.run_folder: a folder that is never overwritten, shared or misclassified."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict, fields

import pytest
from support import ROOT
from support.study_samples import DIGITS, make_plan, write_study

from mnist_core.errors import UserError
from mnist_core.optim.registry import optimizer_spec
from mnist_core.runtime.atomic_files import write_json
from study.execution.distributed import join_check
from study.plans.task import VARIANTS, confirmation_key, trial_key
from study.records.run_folder import RULE_VERSION, RunFolder, changed_sources, plan_header
from study.records.run_record import RunRecord


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "run", make_plan())


def test_every_run_of_a_plan_has_a_key_of_its_own():
    plan = make_plan(optimizers=("sgd", "adam", "adamax"), trials=33)
    keys = [
        *(trial_key(name, i) for name in plan.optimizers for i in range(plan.trials_each)),
        *(
            confirmation_key(name, variant, i)
            for name in plan.optimizers
            for variant in VARIANTS
            for i in range(plan.confirm_seeds)
        ),
    ]
    assert len(set(keys)) == len(keys) == plan.rows
    assert all(re.fullmatch(r"[a-z0-9-]+", key) for key in keys)


def test_the_header_comes_back_with_plan_data_and_registry_entries(folder):
    header = folder.read_header()
    assert header["plan"] == make_plan()
    assert header["data"] == DIGITS
    assert header["started"] == "2026-01-02T03:04:05Z"
    expected = json.loads(json.dumps(asdict(optimizer_spec("adam"))))
    assert header["optimizers"]["adam"] == expected


def test_the_header_records_the_rule_that_the_study_begins_under(folder):
    assert folder.read_header()["rule"] == RULE_VERSION


def test_a_study_is_joined_under_another_rule_and_not_with_other_options():
    def asked(**changes):
        header = plan_header(make_plan(**changes), data=DIGITS, started="")
        return {"header": json.loads(json.dumps(header)), "stale_after_seconds": 60}

    known = asked()
    del known["header"]["rule"]
    join_check.require_same("study", known, asked())
    with pytest.raises(UserError, match="--seed was 0, now 1"):
        join_check.require_same("study", known, asked(seed=1))


def test_a_record_of_a_users_optimizer_has_a_name_that_every_file_system_takes():
    assert trial_key("my.package:Lion", 3) == "trial-my.package.Lion-003"
    assert confirmation_key("my:Lion", "tuned", 1) == "confirm-my.Lion-tuned-01"


def test_records_come_back_by_key(folder):
    records = folder.read_records()
    assert len(records) == make_plan().rows
    assert all(record.key == key for key, record in records.items())


def test_an_existing_run_is_never_touched(folder):
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    with pytest.raises(UserError, match="already holds a run; continue it with --resume"):
        folder.begin(make_plan(seed=9), data=DIGITS, started="2027-01-01T00:00:00Z")
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before


def test_a_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot create the output folder .*; name another"):
        RunFolder(tmp_path / "file").begin(make_plan(), data=DIGITS, started="")


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", '{"key": "trial-sgd', "[]", "null", "3", "{}", "\x00\x01", b"\xff\xfe"),
        '{"key": "trial-sgd-001"}',
    ],
)
def test_a_damaged_record_is_named_with_the_way_out(folder, content):
    file = folder.record_file(trial_key("sgd", 1))
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"trial-sgd-001\.json is damaged .* delete it") as error:
        folder.read_records()
    assert "--resume" in str(error.value)


@pytest.mark.parametrize("name", [entry.name for entry in fields(RunRecord)])
def test_a_record_that_lacks_a_key_is_named_with_what_it_lacks(folder, name):
    file = folder.record_file(trial_key("sgd", 1))
    record = json.loads(file.read_text())
    del record[name]
    file.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"trial-sgd-001\.json is damaged .*delete it") as error:
        folder.read_records()
    assert f"(it lacks {name})" in str(error.value)


def test_a_record_with_an_unknown_key_is_named_with_the_key(folder):
    file = folder.record_file(trial_key("sgd", 1))
    file.write_text(json.dumps({**json.loads(file.read_text()), "losses": 3}))
    with pytest.raises(UserError, match=r"is damaged \(it has unknown keys: losses\); delete it"):
        folder.read_records()


def test_a_record_comes_back_as_it_was_written(folder):
    for key, record in folder.read_records().items():
        written = json.loads(folder.record_file(key).read_text())
        assert json.loads(json.dumps(record.to_dict())) == written
        assert RunRecord.from_dict(written, key=key) == record


def test_a_record_under_the_name_of_another_is_refused(folder):
    other = folder.record_file(trial_key("sgd", 0)).read_text()
    folder.record_file(trial_key("sgd", 1)).write_text(other)
    with pytest.raises(UserError, match=r"trial-sgd-001\.json is damaged"):
        folder.read_records()


def test_half_written_files_are_no_records(folder):
    (folder.path / "records" / ".trial-sgd-000.json.abc").write_text("{")
    assert len(folder.read_records()) == make_plan().rows


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "plan": {'])
def test_a_damaged_plan_is_a_user_error(folder, content):
    folder.plan_file.write_text(content)
    with pytest.raises(UserError, match=r"plan\.json is damaged .*start anew") as error:
        folder.read_header()
    assert "Error(" not in str(error.value)


def test_a_plan_of_another_schema_is_refused(folder):
    header = json.loads(folder.plan_file.read_text())
    write_json(folder.plan_file, {**header, "schema": 2})
    with pytest.raises(UserError, match="must have schema 1, got 2"):
        folder.read_header()


def test_a_folder_without_plan_holds_no_study(tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        RunFolder(tmp_path).read_header()


def test_a_damaged_environment_is_a_user_error(folder):
    (folder.path / "environments" / "environment0.json").write_text('{"code"')
    with pytest.raises(UserError, match=r"environment0\.json is damaged"):
        folder.read_environments()


def test_a_second_holder_of_the_lock_is_refused_until_the_first_lets_go(folder):
    refusal = pytest.raises(UserError, match="another process is running the study")
    with folder.lock(), refusal, folder.lock():
        pytest.fail("two held the lock at once")
    with folder.lock():
        pass


def test_the_lock_holds_between_processes_and_falls_with_a_killed_one(folder):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, fcntl\n"
            "file = open(sys.argv[1], 'w')\n"
            "fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\n"
            "time.sleep(60)\n",
            str(folder.path / "study.lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process"), folder.lock():
            pytest.fail("two held the lock at once")
        holder.kill()
        holder.wait()
        with folder.lock():
            pass


COMMITTED = sorted(file.parent for file in (ROOT / "results").glob("*/*/plan.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_committed_study_can_be_continued_and_replayed_by_todays_code(path):
    assert changed_sources(RunFolder(path).read_header()) == []
