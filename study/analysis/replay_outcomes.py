"""The outcome of training a study's rows again: one for each row, in one line and as JSON.

Pure functions of records; `study.replay` trains the rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from study.records.run_record import RunRecord

SCHEMA = 1
Verdict = Literal["identical", "different", "fails now", "cannot be replayed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one row."""

    key: str
    verdict: Verdict
    detail: str
    """The weights, what differs and by how much, or why nothing was trained."""
    causes: tuple[str, ...] = ()
    """What differs in what it was trained with."""
    environment: Mapping[str, Any] | None = None
    """In which it was trained again."""

    @property
    def line(self) -> str:
        """Return the outcome in one line."""
        return f"{self.key}: {self.verdict}{self.detail}"


def skipped(record: RunRecord) -> Outcome:
    """Return the outcome of a row that has no final weights."""
    return Outcome(key=record.key, verdict="skipped", detail=f": {why_without_weights(record)}")


def why_without_weights(record: RunRecord) -> str:
    """Say why a row has no final weights."""
    was = "was " if record.status == "pruned" else ""
    return f"it {was}{record.status}, and has no final weights to compare"


def impossible(record: RunRecord, reason: object) -> Outcome:
    """Return the outcome of a row that cannot be trained here."""
    verdict: Verdict = "cannot be replayed"
    return Outcome(key=record.key, verdict=verdict, detail=f" because {reason}")


def compared(
    record: RunRecord, again: RunRecord, *, causes: Sequence[str], environment: Mapping[str, Any]
) -> Outcome:
    """Return the outcome of a row that was trained again."""
    verdict, detail = _verdict(record, again)
    if verdict != "identical":
        detail += f"; what differs: {'; '.join(causes) or 'nothing in the recorded environment'}"
    return Outcome(
        key=record.key,
        verdict=verdict,
        detail=detail,
        causes=tuple(causes),
        environment=environment,
    )


def _verdict(record: RunRecord, again: RunRecord) -> tuple[Verdict, str]:
    if again.status == "failed":
        return "fails now", f": {again.error}"
    changes = list(_accuracy_differences(record, again))
    if record.status != again.status:
        changes.insert(0, f"it {record.status} then, and {again.status} now")
    digest = record.weights_sha256
    assert digest is not None
    if digest != again.weights_sha256:
        return "different", "; ".join([" weights", *changes])
    if changes:
        return "different", "; ".join([" results of the same weights", *changes])
    return "identical", f" (weights {digest[:16]})"


def _accuracy_differences(record: RunRecord, again: RunRecord) -> list[str]:
    """Say which accuracies differ, and by how much."""
    both = zip(record.epochs[:-1], again.epochs, strict=False)
    places: list[tuple[str, Any, Any]] = [("", record, again)]
    places[:0] = [(f" after epoch {was.epoch}", was, now) for was, now in both]
    changes = [
        _change(f"validation accuracy{place}", was.validation_accuracy, now.validation_accuracy)
        for place, was, now in places
        if was.validation_accuracy != now.validation_accuracy
    ]
    tests = [_test_counts(record), _test_counts(again)]
    if tests[0] != tests[1]:
        was, now = (None if counts is None else counts[0] / counts[1] for counts in tests)
        counts = " and ".join("none" if c is None else f"{c[0]} of {c[1]}" for c in tests)
        changes.append(f"{_change('test accuracy', was, now)}, {counts} correct")
    return changes


def _test_counts(record: RunRecord) -> tuple[int, int] | None:
    """Return how many test images were classified correctly, of how many."""
    return None if record.test is None else (record.test.correct, record.test.count)


def _change(name: str, was: float | None, now: float | None) -> str:
    if was is None or now is None:
        before, after = ("none" if value is None else f"{value:.4f}" for value in (was, now))
        return f"{name} was {before}, is {after}"
    return f"{name} was {was:.4f}, is {now:.4f} ({now - was:+.4f})"


def differences(was: Mapping[str, Any], now: Mapping[str, Any], *, path: str = "") -> list[str]:
    """Name what differs between two environments, JSON-like mappings."""
    changes = []
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, path=f"{path}{key}.")
        elif before != after:
            changes.append(f"{path}{key} was {before}, is {after}")
    return changes


def summary(outcomes: Sequence[Outcome]) -> str:
    """Count the outcomes in words. Rows without final weights do not count."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    asked = len(outcomes) - counts["skipped"]
    others = [f"{counts[name]} {name}" for name in get_args(Verdict)[1:] if counts[name]]
    return ", ".join([f"{counts['identical']} of {asked} rows identical", *others])


def to_dict(outcomes: Sequence[Outcome], *, date: str) -> dict[str, Any]:
    """Return a replay, JSON-ready. One machine trained all rows, so there is one environment,
    or none where nothing could be trained."""
    environments = [o.environment for o in outcomes if o.environment is not None]
    return {
        "schema": SCHEMA,
        "date": date,
        "summary": summary(outcomes),
        "environment": environments[0] if environments else None,
        "causes": list(dict.fromkeys(cause for outcome in outcomes for cause in outcome.causes)),
        "rows": [{"key": o.key, "verdict": o.verdict, "detail": o.detail} for o in outcomes],
    }
