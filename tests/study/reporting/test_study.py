"""study.reporting.study, plots and report: a well-formed page that is rebuilt byte for byte."""

from __future__ import annotations

import getpass
import itertools
import json
import re
import shlex
import shutil
import socket

import matplotlib.image
import pytest
from support import ROOT
from support.study_samples import MNIST, make_plan, write_study

from mnist_core.runtime.atomic_files import write_json
from study import command_line, optimizers, report
from study.analysis.summary import summarise
from study.plans.optimizers import OptimizerPlan
from study.plans.space import space_from_table
from study.plans.space_file import resolve
from study.plans.task import trial_key
from study.records.run_folder import RULE_VERSION, RunFolder
from study.reporting import rule
from study.reporting.study import page, write_report
from study.search.confirmation import remaining

THREE = ("sgd", "adam", "nadam")
SECTIONS = (
    "Ranking of the tuned optimizers",
    "Untuned beside tuned",
    "Learning-rate sensitivity",
    "Learning curves",
    "Time",
    "Diverged and stopped runs",
    "Protocol",
    "Provenance",
    "Reproduce",
)
PERFECT = {(name, variant): [1.0] * 3 for name in THREE for variant in ("tuned", "default")}
SEVERAL = {
    "label": "Adam",
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "betas": {"choices": [[0.9, 0.99], [0.95, 0.98]]},
    "batch_size": {"low": 8, "high": 64, "integer": True},
    "foreach": False,
    "default": {"learning_rate": 1e-3, "betas": [0.9, 0.999], "batch_size": 64},
}
FIXED_RATE = {
    "label": "NAdam",
    "learning_rate": 0.002,
    "eps": {"low": 1e-9, "high": 1e-6, "log": True},
    "default": {"eps": 1e-8},
}
SPACES = {
    "adam": space_from_table("adam", SEVERAL),
    "nadam": space_from_table("nadam", FIXED_RATE),
}
VARIANTS = {
    "complete": {},
    "of MNIST": {"data": MNIST, "plan": {"dataset": "mnist"}},
    "without runs": {"left_out": lambda key: True},
    "search only": {"left_out": lambda key: key.startswith("confirm")},
    "one confirmed": {"left_out": lambda key: key.startswith(("confirm-n", "confirm-a"))},
    "one diverged": {"all_diverged": ["adam"]},
    "all diverged": {"all_diverged": THREE},
    "one failed": {"all_failed": ["adam"]},
    "several parameters": {"plan": {"spaces": SPACES}},
    "several parameters, one failed": {"plan": {"spaces": SPACES}, "all_failed": ["adam"]},
    "perfect": {"accuracies": PERFECT},
    "one collapsed": {"accuracies": {("sgd", "tuned"): [0.1, 0.95, 0.96]}},
    "one optimizer": {"plan": {"optimizers": ("adam",)}},
    "several epochs": {"plan": {"epochs": 3, "sampler": "tpe", "augmentation": "baseline"}},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Write the report of each variant of a study, once; return the folder."""
    written = {}

    def of(variant):
        if variant not in written:
            options = dict(VARIANTS[variant])
            plan = make_plan(**{"optimizers": THREE, "trials": 12, **options.pop("plan", {})})
            folder = write_study(tmp_path_factory.mktemp("study") / "run", plan, **options)
            write_report(folder)
            written[variant] = folder
        return written[variant]

    return of


@pytest.fixture(params=VARIANTS)
def folder(request, reports):
    return reports(request.param)


def text_of(folder):
    return (folder.path / "report.md").read_text()


def tables(text):
    """Return the tables of a page, each as its lines."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [block.splitlines() for block in blocks]


def test_every_section_is_there(folder):
    headings = re.findall(r"^## (.+)$", text_of(folder), flags=re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    assert text_of(folder).startswith("# Optimizers on ")


def test_the_rule_stands_before_its_result(folder):
    text = text_of(folder)
    assert text.count("**The rule**") == 1
    assert text.index("**The rule**") < text.index("docs/method.md") < text.index("**Finding.**")


def test_the_rule_in_full_stands_in_the_docs():
    text = (ROOT / "docs" / "method.md").read_text()
    assert "## Comparison" in text
    assert f"This is version {RULE_VERSION} of the rule." in text


def test_a_rule_that_was_fixed_before_the_data_is_said_to_be(reports):
    text = text_of(reports("complete"))
    assert f"**The rule**, fixed before any data (version {RULE_VERSION})." in text
    assert "The rule was revised" not in text


@pytest.mark.parametrize(
    ("recorded", "words"),
    [({}, "theirs was an earlier one, unnumbered"), ({"rule": 2}, "theirs was 2")],
    ids=["none", "another"],
)
def test_a_rule_that_was_revised_after_the_runs_is_said_to_be(reports, tmp_path, recorded, words):
    header = json.loads(reports("complete").plan_file.read_text())
    assert header.pop("rule") == RULE_VERSION
    folder = type(reports("complete"))(tmp_path / "older")
    shutil.copytree(reports("complete").path, folder.path)
    write_json(folder.plan_file, {**header, **recorded})
    write_report(folder)
    text = text_of(folder)
    assert "The rule was revised after these runs began" in text.partition("**Finding.**")[0]
    assert words in text
    assert "fixed before any data" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirm_seeds": 5}, True),
        ({"confirm_seeds": 5, "max_confirm_seeds": 20}, True),
        ({"confirm_seeds": 4}, False),
        ({"confirm_seeds": 5, "optimizers": (*THREE, "rmsprop", "adamw")}, False),
    ],
    ids=["fixed", "auto", "other seeds", "other number"],
)
def test_how_often_a_difference_is_found_is_said_of_simulated_plans_alone(changes, said, tmp_path):
    plan = make_plan(**{"optimizers": ("sgd", "adam"), "trials": 10, **changes})
    folder = write_study(tmp_path / "study", plan, left_out=lambda key: True)
    text = page(summarise(folder.read_header(), {}, {}), [])
    assert ("In simulated studies like this one" in text) == said
    if said:
        stated = rule.FOUND[plan.looks][len(plan.arms)]
        assert f"is found in about {stated} %" in text
        assert ("--confirm-seeds auto" in text) == (plan.looks != rule.AUTO)


def test_every_pair_is_shown_and_only_many_are_folded(reports, tmp_path):
    section = text_of(reports("complete")).split("## Ranking")[1].split("\n## ")[0]
    pairs = tables(section)[1]
    assert len(pairs) == 2 + 3
    assert all(" − " in row for row in pairs[2:])
    assert "<details>" not in section
    plan = make_plan(optimizers=(*THREE, "rmsprop"), trials=12)
    four = write_study(tmp_path / "study", plan)
    write_report(four)
    section = text_of(four).split("## Ranking")[1].split("\n## ")[0]
    assert "<summary>All 6 pairs, by the same rule</summary>" in section
    assert len(tables(section)[1]) == 2 + 6


def test_no_section_is_empty(folder):
    assert not re.search(r"^## .+\n+(##|\Z)", text_of(folder), flags=re.MULTILINE)


def test_every_row_of_a_table_has_as_many_columns_as_its_header(folder):
    found = tables(text_of(folder))
    assert found
    for table in found:
        assert len(table) >= 3, table
        assert re.fullmatch(r"\|(:?-+:?\|)+", table[1].replace(" ", "")), table[1]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1, table


def test_a_table_stands_between_empty_lines(folder):
    lines = ["", *text_of(folder).splitlines(), ""]
    for before, line in itertools.pairwise(lines):
        assert not (line.startswith("|") and before and not before.startswith("|")), line
        assert not (before.startswith("|") and line and not line.startswith("|")), line


def test_pictures_exist_are_shown_and_have_a_description(folder):
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text_of(folder))
    names = [name for _, name in shown]
    assert sorted(names) == sorted(file.name for file in folder.path.glob("*.png"))
    assert all(len(description) > 10 for description, _ in shown)


def test_pictures_are_opaque_for_dark_pages(reports):
    files = sorted(reports("complete").path.glob("*.png"))
    assert len(files) == 4
    for file in files:
        pixels = matplotlib.image.imread(file)
        assert pixels.shape[2] == 3 or (pixels[..., 3] == 1).all()
        assert pixels[0, 0, :3].tolist() == [1, 1, 1]


def test_nothing_that_is_not_a_number_is_shown(folder):
    assert not re.search(r"\b(nan|inf|None(?!: every run completed))\b", text_of(folder))


def test_a_report_is_rebuilt_byte_for_byte_wherever_its_folder_lies(folder, tmp_path):
    views = [*folder.path.glob("*.png"), folder.path / "report.md"]
    before = {file.name: file.read_bytes() for file in views}
    copy = type(folder)(tmp_path / "elsewhere")
    shutil.copytree(folder.path, copy.path)
    for name in before:
        (copy.path / name).unlink()
    write_report(copy)
    after = {file.name: file.read_bytes() for file in copy.path.iterdir() if file.name in before}
    assert after == before


def test_a_report_names_no_machine_user_or_path(folder):
    text = text_of(folder)
    assert str(folder.path.parent) not in text
    assert socket.gethostname() not in text
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", text)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizers": ("nesterov", "adadelta"), "trials": 7, "seed": 2**40},
        {"sampler": "tpe", "pruner": "hyperband", "schedule": "constant", "epochs": 9},
        {"batch_size": 128, "augmentation": "baseline", "confirm_seeds": 5, "threads": 2},
    ],
)
def test_the_command_of_a_report_parses_to_the_same_plan(changes, tmp_path):
    plan = make_plan(**changes)
    folder = write_study(tmp_path / "study", plan, left_out=lambda key: True)
    text = page(summarise(folder.read_header(), {}, {}), [])
    command = text.split("## Reproduce")[1].split("```bash\n")[1].split("\n```")[0]
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "study.optimizers"]
    options = optimizers.parse(words[3:])
    command_line.run_options(options)
    assert OptimizerPlan(**optimizers.given_options(options)) == plan


def test_the_command_of_a_report_names_the_file_that_lies_beside_it(reports, monkeypatch):
    folder = reports("several parameters")
    command = text_of(folder).split("## Reproduce")[1].split("```bash\n")[1].split("\n```")[0]
    assert command.endswith("--space space.toml")
    monkeypatch.chdir(folder.path)
    options = optimizers.parse(shlex.split(command)[3:])
    assert OptimizerPlan(**optimizers.given_options(options)) == folder.read_header()["plan"]
    assert resolve(THREE, folder.path / "space.toml")["adam"] == SPACES["adam"]


def test_a_report_of_the_registrys_searches_has_no_such_file(reports):
    folder = reports("complete")
    assert "--space" not in text_of(folder)
    assert not (folder.path / "space.toml").exists()


def test_several_parameters_are_shown_wherever_the_learning_rate_was(reports):
    text = text_of(reports("several parameters"))
    assert text.startswith("# Optimizers on digits (scikit-learn): which one, and with which par")
    shown = "learning_rate 0.001, betas (0.95, 0.98), batch_size 36"
    ranking, _pairs, untuned, *_ = tables(text)
    assert any(shown in row and "Adam" in row for row in ranking)
    assert any(
        "learning_rate 0.001, betas (0.9, 0.999), batch_size 64" in row and shown in row
        for row in untuned
    )
    assert text.split("## All runs")[1].split("\n## ")[0].count(shown) == 3
    protocol = text.split("## Protocol")[1]
    for words in (
        "SGD: learning_rate 0.01 to 1, log-uniform",
        "Adam: learning_rate 0.0001 to 0.01, log-uniform; betas one of (0.9, 0.99), (0.95, 0.98); "
        "batch_size 8 to 64, integers, uniform; foreach = False",
        "NAdam: eps 1e-09 to 1e-06, log-uniform; learning_rate = 0.002",
    ):
        assert words in protocol
    assert (
        "Budgets are equal, search spaces are not: SGD over 1 parameter, Adam over 3 parameters, "
        "NAdam over 1 parameter; the same number of trials"
    ) in text
    assert "search spaces are not" not in text_of(reports("complete"))


def test_failed_runs_are_listed_with_their_error_and_counted(reports):
    text = text_of(reports("one failed"))
    section = text.split("## Diverged and stopped runs")[1].split("\n## ")[0]
    (table,) = tables(section)
    assert len(table) == 2 + 4
    for index, row in enumerate(table[2:]):
        assert trial_key("adam", index) in row
        assert "failed: adam failed in a step: RuntimeError: boom \\| bang" in row
    assert "Not ranked: Adam (none of its 4 trials completed)." in text
    assert "Runs that failed with an error of their optimizer: 4 of Adam." in text
    assert "> **Partial.**" not in text


def test_the_ranking_shows_n_means_and_intervals(tmp_path):
    plan = make_plan(confirm_seeds=3)
    accuracies = {
        ("sgd", "tuned"): [0.95, 0.952, 0.954],
        ("adam", "tuned"): [0.98, 0.98, 0.98],
    }
    folder = write_study(tmp_path / "study", plan, accuracies=accuracies)
    write_report(folder)
    ranking = tables(text_of(folder))[0]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in ranking[2:]]
    assert [row[:2] for row in cells] == [["1", "Adam"], ["2", "SGD"]]
    assert [row[3] for row in cells] == ["3", "3"]
    assert cells[0][4] == "98.00 % (98.00 to 98.00 %)"
    # t(0.975; 2) · 0.2 / sqrt(3) = 4.303 · 0.1155 = 0.497
    assert cells[1][4] == "95.20 % (94.70 to 95.70 %)"
    # two configurations: the paired t interval of the difference, of the same spread
    assert cells[1][5] == "-2.80 (-3.30 to -2.30)"
    assert [row[6] for row in cells] == ["highest mean", "worse"]


def test_a_report_of_digits_says_digits_and_speaks_of_mnist_only_to_deny_it(reports):
    text = text_of(reports("complete"))
    assert text.startswith("# Optimizers on digits (scikit-learn)")
    assert [line for line in text.splitlines() if "MNIST" in line] == [
        line for line in text.splitlines() if line.startswith("> **Not MNIST.**")
    ]
    assert "> **Not MNIST.**" in text
    assert "published accuracies" not in text
    assert "reaches about" not in text


def test_a_report_of_mnist_does_not_deny_it(reports):
    text = text_of(reports("of MNIST"))
    assert text.startswith("# Optimizers on MNIST")
    assert "Not MNIST" not in text
    assert "digits (scikit-learn)" not in text


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_a_report_that_lacks_runs_says_partial(variant, reports):
    partial = variant in ("without runs", "search only", "one confirmed")
    assert ("> **Partial.**" in text_of(reports(variant))) == partial


def test_diverged_runs_are_listed_with_their_step(reports):
    text = text_of(reports("one diverged"))
    section = text.split("## Diverged and stopped runs")[1].split("\n## ")[0]
    (table,) = tables(section)
    assert len(table) == 2 + 4
    assert all("diverged" in row and "trial-adam-" in row and "| 7" in row for row in table[2:])
    assert "None: every run completed" in text_of(reports("complete"))


def test_a_tuned_configuration_that_learns_nothing_on_a_seed_is_named_in_the_finding(reports):
    finding = text_of(reports("one collapsed")).partition("**Finding.**")[2].partition("##")[0]
    assert "Tuned and yet at chance level: SGD on 1 of 3 seeds." in finding
    assert "chance level" not in text_of(reports("complete")).partition("## Ranking")[0]


def test_a_study_that_could_tell_nothing_apart_says_so_rather_than_a_size(reports):
    text = text_of(reports("one collapsed"))
    assert "could not have told apart what it compares, whatever the difference" in text
    assert "whatever the difference" not in text_of(reports("complete"))


def test_the_protocol_states_seeds_split_ranges_and_what_was_not_tuned(reports):
    text = text_of(reports("complete")).split("## Protocol")[1]
    for seed in make_plan().confirmation_seeds():
        assert str(seed) in text
    for words in ("1,000 train", "200 validation", "500 test", "`lhs`", "`none`", "not tuned"):
        assert words in text
    assert f"`{'d' * 16}…`" in text


def test_the_provenance_states_commit_versions_and_machine(reports):
    text = text_of(reports("complete")).split("## Provenance")[1]
    for words in ("`cccccccccccc`", "torch 2.15.0", "A Processor", "2 cores", "1 thread(s)"):
        assert words in text
    assert "2026-01-02T03:04:05Z" in text


COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/*/plan.json"))


@pytest.mark.parametrize(
    "folder",
    [*(pytest.param(folder, marks=pytest.mark.slow) for folder in COMMITTED[:-1]), COMMITTED[-1]],
    ids=lambda folder: folder.name,
)
def test_a_committed_report_is_built_again_byte_for_byte(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "study")
    (tmp_path / "study" / "report.md").unlink()
    assert report.main([str(tmp_path / "study")]) == 0
    assert (tmp_path / "study" / "report.md").read_bytes() == (folder / "report.md").read_bytes()
    assert {path.name for path in folder.glob("*.png")} == {
        path.name for path in (tmp_path / "study").glob("*.png")
    }


@pytest.mark.parametrize(
    "folder",
    [folder for folder in COMMITTED if not (folder / "recipe-00.safetensors").exists()],
    ids=lambda folder: folder.name,
)
def test_a_committed_study_leaves_nothing_to_run(folder):
    study = RunFolder(folder)
    assert remaining(study.read_header()["plan"], study.read_records()) == 0
