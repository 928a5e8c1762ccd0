"""How often the rule of comparison finds what is there.

`study.stats.comparisons` is the rule, docs/method.md its text. `FOUND` is what
tests/study/stats/test_power.py simulates, for the plans that it names; of other plans nothing is
said.
"""

from study.plans.base import StudyPlan
from study.stats.comparisons import verdict_confidence

_Looks = tuple[int, ...]
AUTO: _Looks = (5, 10, 15, 20)
"""What --confirm-seeds auto looks at."""
FOUND: dict[_Looks, dict[int, int]] = {
    (3,): {2: 38, 3: 20, 4: 12, 6: 9},
    (5,): {2: 59, 3: 36, 4: 26, 6: 19},
    (10,): {2: 74, 3: 56, 4: 44, 6: 31},
    (5, 10): {2: 89, 3: 81, 4: 72, 6: 62},
    (5, 10, 15): {2: 93, 3: 92, 4: 89, 6: 85},
    AUTO: {2: 95, 3: 94, 4: 91, 6: 91},
}
"""By looks and number of arms: in how many of 100 simulated studies a difference of three standard
errors is found."""
_ENOUGH = 90


def level(plan: StudyPlan) -> str:
    """Return the confidence, in percent, of the intervals that verdicts stand on."""
    return f"{100 * verdict_confidence(len(plan.looks)):.4g}"


def found(plan: StudyPlan) -> int | None:
    """Return how often a study like this one finds a difference; None where none was simulated."""
    return FOUND.get(plan.looks, {}).get(len(plan.arms))


def found_by_auto(plan: StudyPlan) -> int | None:
    """Return how often `--confirm-seeds auto` would find it, where that is worth saying."""
    own = found(plan)
    if own is None or own >= _ENOUGH or plan.looks == AUTO:
        return None
    return FOUND[AUTO][len(plan.arms)]
