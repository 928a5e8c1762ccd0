"""study.reporting.page: paragraphs, tables and numbers of a page."""

from __future__ import annotations

import jinja2
import pytest

from study.reporting import page
from study.stats.comparisons import Comparison, Estimate


@pytest.fixture
def render(monkeypatch):
    """Render a text with the filters of the reports."""

    def of(text, **values):
        environment = page._environment().overlay(loader=jinja2.DictLoader({"page": text}))
        with monkeypatch.context() as patch:
            patch.setattr(page, "_environment", lambda: environment)
            return page.render("page", **values)

    return of


def comparison(difference, low, high):
    return Comparison(difference=difference, low=low, high=high, critical=2.0, degrees=4)


def test_a_paragraph_and_an_item_of_a_list_are_one_line_each(render):
    text = "One\ntwo\n  *three*.\n\n- four\n  five\n- six\n\n> seven\neight\n"
    assert render(text) == "One two *three*.\n\n- four five\n- six\n\n> seven eight\n"


def test_headings_tables_pictures_and_code_keep_their_lines(render):
    text = "# One\ntwo\n\n| a |\n|:--|\n| b |\n\n![c](d.png)\n\n```bash\ne\n```\n\n<details>\nf\n"
    assert render(text) == text


def test_a_part_that_says_nothing_leaves_no_empty_lines(render):
    assert render("One\n\n{% if false %}\ntwo\n{% endif %}\n\n\nthree\n") == "One\n\nthree\n"


def test_an_unknown_name_is_an_error(render):
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        render("{{ nothing }}")


def test_nothing_is_escaped_as_html(render):
    assert render("{{ label }}", label="a < b & c") == "a < b & c\n"


def test_a_table_aligns_its_numbers_and_no_cell_ends_it(render):
    template = """
{% filter padded %}
| name | n |
|:--|--:|
{% for name, number in rows %}
| {{ name | cell }} |
{{ number }} |
{% endfor %}
{% endfilter %}
"""
    text = render(template, rows=[("a | b", 1), ("c", 20)])
    assert text.splitlines() == [
        "| name   |   n |",
        "|:-------|----:|",
        "| a \\| b |   1 |",
        "| c      |  20 |",
    ]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{{ 1 | count("trial") }}, {{ 3 | count("trial") }}', "1 trial, 3 trials"),
        ("{{ 12345 | integer }}", "12,345"),
        ('{{ ["A"] | listed }}; {{ ["A", "B", "C"] | listed }}', "A; A, B and C"),
        ("{{ (0.001, 0.0014) | point_range }}", "0.10 to 0.14"),
        ("{{ (0.001, 0.001) | point_range }}", "0.10"),
    ],
)
def test_numbers_of_things_are_in_words(render, template, expected):
    assert render(template) == f"{expected}\n"


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ((0.0123, 0.0042, 0.0204), "+1.23 (+0.42 to +2.04)"),
        ((-0.3, -0.42, -0.18), "-30.0 (-42.0 to -18.0)"),
        ((0.5, -0.7, 1.7), "+50.0 (-70.0 to +100.0)"),
    ],
)
def test_a_difference_has_the_digits_that_its_interval_supports(difference, expected):
    assert page.points(comparison(*difference)) == expected


def test_an_accuracy_has_no_part_outside_0_to_100_percent():
    assert page.accuracy(Estimate(mean=0.2, low=-0.3, high=1.1, n=2)) == "20.0 % (0.0 to 100.0 %)"
    narrow = Estimate(mean=0.991, low=0.985, high=0.997, n=5)
    assert page.accuracy(narrow) == "99.10 % (98.50 to 99.70 %)"
    assert page.accuracy(narrow, digits=3) == "99.100 % (98.500 to 99.700 %)"
