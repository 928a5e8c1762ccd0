"""The report of a study of architectures, on synthetic records."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import pytest
from support.study_samples import ENVIRONMENT, MNIST, make_architecture_plan, write_study

from mnist_core.models.registry import NETWORKS
from mnist_core.runtime import results_index
from study.analysis.summary import summarise
from study.analysis.trade_offs import trade_offs
from study.execution import latency as instrument
from study.plans.families import FAMILIES
from study.records import latency
from study.records.latency import Measurement
from study.reporting.study import write_report

SECTIONS = [
    "Ranking of the tuned families",
    "Untuned beside tuned",
    "Accuracy against cost",
    "Learning-rate sensitivity",
    "The best expected of a tuning budget",
    "Learning curves",
    "Time",
    "Diverged and stopped runs",
    "All runs",
    "Protocol",
    "Provenance",
    "Reproduce",
]
VARIANTS = {
    "complete": {},
    "with a limit of FLOPs": {"plan": {"families": ("deep", "dropout"), "max_flops": 5_000_000}},
    "without latency": {"is_measured": False},
    "search only": {"left_out": lambda key: key.startswith("confirm"), "is_measured": False},
    "without runs": {"left_out": lambda key: True, "is_measured": False},
    "all diverged": {"all_diverged": FAMILIES},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Write the report of each variant of a study, once; return the folder."""
    written = {}

    def of(variant):
        if variant not in written:
            options = dict(VARIANTS[variant])
            is_measured = options.pop("is_measured", True)
            values = {"families": FAMILIES, "dataset": "mnist", "trials": 12}
            plan = make_architecture_plan(**{**values, **options.pop("plan", {})})
            path = tmp_path_factory.mktemp("study") / "run"
            folder = write_study(path, plan, data=MNIST, **options)
            if is_measured:
                found = instrument.architectures_of(folder.read_records().values())
                latency.write(folder.path, measurement(found))
            write_report(folder)
            written[variant] = folder
        return written[variant]

    return of


def measurement(architectures):
    """Return latencies of 100 µs and as many as the architecture has layers."""
    return Measurement(
        environment=ENVIRONMENT,
        rounds=3,
        calls=40,
        warm_up_calls=10,
        round_medians={
            one: [100.0 + len(one.layers) + noise for noise in (-1.0, 0.0, 2.0)]
            for one in architectures
        },
    )


@pytest.fixture(params=VARIANTS)
def folder(request, reports):
    return reports(request.param)


def text_of(folder):
    return (folder.path / "report.md").read_text()


def summary_of(folder):
    return summarise(folder.read_header(), folder.read_records(), folder.read_environments())


def test_every_section_is_there_and_none_is_empty(folder):
    text = text_of(folder)
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    assert not re.search(r"^## .+\n+(##|\Z)", text, flags=re.MULTILINE)


def test_it_speaks_of_families_and_of_optimizers_only_where_it_means_one(folder):
    text = text_of(folder)
    assert text.startswith("# Architectures on MNIST: which family, and in which shape?")
    assert "published accuracies" not in text
    for words in ("the optimizer (Adam, library defaults)", "--optimizer adam"):
        text = text.replace(words, "")
    assert not re.search(r"optimi[sz]er|library default\b", text), text


def test_pictures_exist_are_shown_and_have_a_description(folder):
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text_of(folder))
    assert sorted(name for _, name in shown) == sorted(p.name for p in folder.path.glob("*.png"))
    assert ("cost.png" in [name for _, name in shown]) == any(
        record.kind == "trial" and record.status == "completed"
        for record in folder.read_records().values()
    )


@pytest.mark.slow
def test_the_report_is_rebuilt_byte_for_byte_without_measuring(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(instrument, "measure", None)
    copy = tmp_path / "copy"
    shutil.copytree(folder.path, copy)
    views = [file for file in copy.iterdir() if file.suffix in (".md", ".png")]
    for view in views:
        view.unlink()
    write_report(type(folder)(copy))
    for view in views:
        assert view.read_bytes() == (folder.path / view.name).read_bytes(), view.name


def test_the_question_states_the_limits(reports):
    assert "with at most 23,354 parameters, trained by Adam in one epoch" in text_of(
        reports("complete")
    )
    assert "at most 23,354 parameters and 5,000,000 forward FLOPs for an image" in text_of(
        reports("with a limit of FLOPs")
    )


def test_the_command_makes_the_same_plan(reports):
    from study import architectures, command_line

    folder = reports("with a limit of FLOPs")
    (line,) = re.findall(r"^python -m study\.architectures (.+)$", text_of(folder), re.MULTILINE)
    options = architectures.parse(line.split())
    kind = type(folder.read_header()["plan"])
    assert kind(**command_line.given_options(options, kind)) == folder.read_header()["plan"]


def test_costs_stand_beside_the_accuracy_of_every_confirmed_architecture(reports):
    text = text_of(reports("complete"))
    seed = NETWORKS["baseline"].architecture
    rows = [line for line in text.splitlines() if "16-32-pool-40-pool-1x1:24, relu," in line]
    tuned = [row for row in rows if "| tuned " in row]
    assert len(tuned) == 1
    for value in (f"{seed.parameters():,}", "7.87", "106 (105 to 108)", "95.20 %"):
        assert value in tuned[0]


def test_fronts_are_of_validation_accuracy_alone(reports):
    folder = reports("complete")
    summary = summary_of(folder)
    limits = summary.plan.limits
    found = trade_offs(summary, latency.read(folder.path), limits=limits)
    records = {
        key: replace(record, test=record.test and replace(record.test, correct=0))
        for key, record in summary.records.items()
    }
    again = summarise(summary.header, records, summary.environments)
    changed = trade_offs(again, latency.read(folder.path), limits=limits)
    assert [one.fronts for one in found.confirmed] == [one.fronts for one in changed.confirmed]
    assert any(one.fronts for one in found.confirmed)
    cheapest = min(found.trials, key=lambda one: one.architecture.forward_flops())
    assert "FLOPs" in cheapest.fronts
    best = max(found.trials, key=lambda one: one.validation_accuracy)
    assert best.fronts


def test_without_a_measurement_the_report_says_so(reports):
    text = text_of(reports("without latency"))
    assert "Latency has not been measured" in text
    assert "µs, p50" not in text


def test_a_named_network_above_the_limit_is_named(reports):
    text = text_of(reports("with a limit of FLOPs"))
    assert (
        "Larger than the limits, which are those of the search, are the named networks of "
        "Deeper (17,718 parameters, 6.03 MFLOP), Dropout (23,354 parameters, 7.87 MFLOP)." in text
    )
    assert "Larger than the limits" not in text_of(reports("complete"))


def test_the_index_has_a_table_of_its_own(reports, tmp_path, monkeypatch):
    folder = reports("complete")
    monkeypatch.setattr(results_index, "RESULTS", folder.path.parent)
    found = write_report(folder)
    index = (folder.path.parent / "README.md").read_text()
    assert "## Studies of architectures, MNIST\n\n<!-- architectures -->" in index
    assert f"| 12 trials, 1 epoch(s), 3 seeds | {found} | [report](run/report.md) |" in index
