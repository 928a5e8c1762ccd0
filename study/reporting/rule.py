"""What a report says of the rule of comparison, and how often the rule finds what is there.

`study.stats.comparisons` is the rule itself, docs/method.md its text. `FOUND` is what
tests/study/stats/test_power.py simulates, for the plans that it names; of other plans nothing is
said.
"""

from __future__ import annotations

from mnist_core.runtime.formatting import wilson_interval
from study.analysis.summary import Summary
from study.plans.base import RULE_VERSION, StudyPlan
from study.stats.comparisons import verdict_confidence

_SHORT = (
    "*A is better than B* is said only where the simultaneous {level} % interval of the "
    "difference of their mean test accuracies, for other seeds and for other test images of the "
    "same kind, excludes zero. Anything else is *not separated*. docs/method.md (*Comparison*) "
    "has the rule in full."
)

_REVISED = (
    "The rule was revised after these runs began, to version {now} (theirs was {before}): this "
    "wording of it was not fixed before the data."
)

_LOOKS = (
    "Confirmation went on in steps, up to {most} seeds: after {steps}, those whose *validation* "
    "accuracies were not yet separated from the highest got more"
)

_FOUND = (
    "In simulated studies like this one ({arms} copies of one {singular}, {seeds}, runs drawn "
    "from real ones of this project), a difference of three standard errors (of the difference of "
    "two means after {first} seeds) between one of them and another is found in about {found} %"
)

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


def in_short(summary: Summary) -> str:
    """Return the rule in two sentences, and whether it was fixed before this study's data."""
    before = summary.header.get("rule")
    text = _SHORT.format(level=level(summary.plan))
    if before == RULE_VERSION:
        return f"**The rule**, fixed before any data (version {RULE_VERSION}). {text}"
    revised = _REVISED.format(now=RULE_VERSION, before=before or "an earlier one, unnumbered")
    return f"**The rule**, version {RULE_VERSION}. {text} {revised}"


def of_this_study(summary: Summary) -> str:
    """Return what the rule means here: what images add, which looks there were, and how often such
    a study finds a difference; nothing where nothing of it is known."""
    plan, sentences = summary.plan, []
    if summary.ranking:
        count = summary.header["data"]["test"]
        correct = round(summary.ranking[0].confirmed.estimate.mean * count)
        low, high = wilson_interval(correct, count)
        sentences.append(
            "The interval of a single mean speaks of other seeds on these test images; other "
            f"images of the same kind would move every {plan.subject.singular}, mostly together, "
            f"by up to {50 * (high - low):.1g} points (95 %, {count:,} test images)."
        )
    if len(plan.looks) > 1:
        steps = ", ".join(map(str, plan.looks[:-1]))
        sentences.append(f"{_LOOKS.format(steps=steps, most=plan.looks[-1])}.")
    return " ".join([*sentences, _found(plan)]).strip()


def level(plan: StudyPlan) -> str:
    """Return the confidence, in percent, of the intervals that verdicts stand on."""
    return f"{100 * verdict_confidence(len(plan.looks)):.4g}"


def _found(plan: StudyPlan) -> str:
    """Say how often a study like this one finds a difference; nothing where none was simulated."""
    looks, arms = plan.looks, len(plan.arms)
    found = FOUND.get(looks, {}).get(arms)
    if found is None:
        return ""
    seeds = " to ".join(dict.fromkeys((str(looks[0]), str(looks[-1])))) + " seeds each"
    text = _FOUND.format(
        arms=arms, singular=plan.subject.singular, seeds=seeds, first=looks[0], found=found
    )
    if found < 90 and looks != AUTO:
        text += (
            f"; `--confirm-seeds auto`, up to {AUTO[-1]} seeds where they are needed, finds it in "
            f"{FOUND[AUTO][arms]} %"
        )
    return f"{text}."
