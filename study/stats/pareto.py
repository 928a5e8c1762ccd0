"""The Pareto front: what nothing else beats at a lower, or the same, cost."""

from collections.abc import Sequence


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Return the places of those that no other one dominates, cheapest first.

    One dominates another where it is neither costlier nor less accurate, and not its equal in
    both; equals stand on the front together.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i], i))
    chosen: list[int] = []
    for i in order:
        last = chosen[-1] if chosen else None
        if (
            last is None
            or accuracies[i] > accuracies[last]
            or (costs[i], accuracies[i]) == (costs[last], accuracies[last])
        ):
            chosen.append(i)
    return chosen
