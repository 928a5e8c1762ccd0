"""study.stats.pareto: the front of known points, and of any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from study.stats.pareto import front

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def test_the_front_of_known_points():
    #         dominated by 1, on it, on it, as costly as 2 and worse, dominated, on it
    costs = [3.0, 2.0, 4.0, 4.0, 9.0, 7.0]
    accuracies = [0.90, 0.95, 0.96, 0.95, 0.96, 0.99]
    assert front(costs, accuracies) == [1, 2, 5]


def test_equals_stand_on_the_front_together_and_nothing_has_no_front():
    assert front([2.0, 1.0, 1.0], [0.8, 0.9, 0.9]) == [1, 2]
    assert front([], []) == []


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points):
    costs = [float(cost) for cost, _ in points]
    accuracies = [float(accuracy) for _, accuracy in points]

    def is_dominated(i):
        return any(
            costs[j] <= costs[i]
            and accuracies[j] >= accuracies[i]
            and (costs[j], accuracies[j]) != (costs[i], accuracies[i])
            for j in range(len(points))
        )

    found = front(costs, accuracies)
    assert sorted(found) == [i for i in range(len(points)) if not is_dominated(i)]
    assert [costs[i] for i in found] == sorted(costs[i] for i in found)
