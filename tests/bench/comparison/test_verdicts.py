"""bench.compare: false alarms and missed slow-downs, on noise that was really recorded.

processes.json holds the blocks of pairs of processes that ran the same code side by side, as
`bench.compare HEAD HEAD --save` wrote them.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from bench.analysis.ratios import Estimate
from bench.comparison import revisions, verdicts
from bench.comparison.revisions import PAIRS
from bench.comparison.verdicts import Blocks, Evidence

SLOWER = 1.10
PROCESSES: dict[str, Blocks] = {
    name: [(old, new) for old, new in blocks]
    for name, blocks in json.loads(Path(__file__).with_name("processes.json").read_text()).items()
}


def simulated(draws: random.Random, *, slower: str | None = None) -> dict[str, Blocks]:
    """Draw a comparison of two revisions of the same code, but for one case made slower.

    Pairs of processes are drawn from those recorded, their blocks from each one's blocks, and
    which of the two is called NEW is a coin's choice.
    """
    drawn: dict[str, Blocks] = {}
    for name, recorded in PROCESSES.items():
        pairs = []
        for _ in range(PAIRS):
            sides = list(draws.choice(recorded))
            draws.shuffle(sides)
            picks = draws.choices(range(len(sides[0])), k=len(sides[0]))
            old, new = ([side[i] for i in picks] for side in sides)
            factor = SLOWER if name == slower else 1.0
            pairs.append((old, [factor * seconds for seconds in new]))
        drawn[name] = pairs
    return drawn


def judged(times: dict[str, Blocks]) -> dict[str, verdicts.Verdict]:
    return verdicts.judge(
        {name: verdicts.weigh(verdicts.log_ratios(blocks)) for name, blocks in times.items()}
    )


def test_the_noise_of_every_case_that_is_compared_by_default_is_recorded() -> None:
    assert set(PROCESSES) == set(revisions.usual("cpu"))


def test_identical_code_is_called_different_in_at_most_5_per_cent_of_runs() -> None:
    draws, runs = random.Random(0), 300
    different = 0
    for _ in range(runs):
        called = judged(simulated(draws))
        different += any(verdict != "inconclusive" for verdict in called.values())
    assert different / runs <= 0.05


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_a_slow_down_of_10_per_cent_is_found_in_at_least_95_per_cent(name: str) -> None:
    draws, runs = random.Random(1), 100
    found = 0
    for _ in range(runs):
        called = judged(simulated(draws, slower=name))
        found += called[name] == "slower"
    assert found / runs >= 0.95


def evidence_of(chance: float) -> Evidence:
    ratio = Estimate(value=1.2, low=1.1, high=1.3, count=8)
    return Evidence(ratio=ratio, chance_slower=chance / 2, chance_faster=1.0)


def test_holm_divides_the_doubt_among_the_cases_left() -> None:
    # 0.01 <= 0.05 / 4, 0.016 <= 0.05 / 3, 0.03 > 0.05 / 2: the rest falls with it.
    found = {"a": 0.03, "b": 0.01, "c": 0.04, "d": 0.016}
    found_in = verdicts.judge({name: evidence_of(chance) for name, chance in found.items()})
    assert found_in == {"a": "inconclusive", "b": "slower", "c": "inconclusive", "d": "slower"}


def test_the_sign_says_faster_or_slower() -> None:
    ups = verdicts.weigh([0.10, 0.11, 0.09, 0.10, 0.12])
    downs = verdicts.weigh([-0.10, -0.11, -0.09, -0.10, -0.12])
    assert verdicts.judge({"up": ups, "down": downs}) == {"up": "slower", "down": "faster"}
    assert ups.ratio.value == pytest.approx(math.exp(0.104))
    assert ups.ratio.low < ups.ratio.value < ups.ratio.high


def test_a_sure_but_tiny_difference_is_not_called() -> None:
    tiny = verdicts.weigh([0.0050, 0.0051, 0.0049, 0.0050, 0.0050])
    assert tiny.ratio.low > 1.0
    assert verdicts.judge({"tiny": tiny}) == {"tiny": "inconclusive"}


def test_students_interval_on_known_data() -> None:
    # Mean 3, standard deviation 1.5811, t(4) = 2.7764: 3 ± 1.9632.
    found = verdicts.weigh([0.01, 0.02, 0.03, 0.04, 0.05])
    assert math.log(found.ratio.low) == pytest.approx(0.03 - 0.019632, abs=1e-5)
    assert math.log(found.ratio.high) == pytest.approx(0.03 + 0.019632, abs=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_pairs_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f">= 4 pairs of processes, got {count}"):
        verdicts.weigh([0.1] * count)


@pytest.mark.parametrize(
    ("log_ratios", "nothing"),
    [
        ([0.0, 0.001, -0.001, 0.0], False),  # a slow-down of 10 % would have been seen
        ([-0.3, 0.4, -0.2, 0.3], True),
        ([0.2, 0.21, 0.19, 0.2], False),  # slower
    ],
)
def test_nothing_is_judged_where_no_interval_excludes_a_slow_down_of_10_per_cent(
    log_ratios: list[float],
    nothing: bool,
) -> None:
    evidence = {"a case": verdicts.weigh(log_ratios)}
    assert verdicts.nothing_judged(evidence, verdicts.judge(evidence)) is nothing
