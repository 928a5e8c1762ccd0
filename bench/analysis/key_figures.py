"""The key figures of a run: each is a question with a ratio, and most have a target."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.analysis import ratios
from bench.analysis.ratios import Ratio
from bench.analysis.summary import COMPUTE, GroupSummary, Row, Summary, speed_ratio


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One figure with its interval and, where it has one, its target."""

    question: str
    answer: str
    ratio: Ratio
    is_share: bool = False
    target: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the target is reached, and whether the interval includes it."""
        if self.target is None:
            return ""
        low, high = self.ratio.low, self.ratio.high
        if self.at_most:
            low, high, reached = -high, -low, self.ratio.value <= self.target
            bound = -self.target
        else:
            reached, bound = self.ratio.value >= self.target, self.target
        if low >= bound:
            return "reached"
        if high < bound:
            return "missed"
        return "reached, not beyond doubt" if reached else "missed, not beyond doubt"


def key_figures(summary: Summary) -> list[KeyFigure]:
    """Return the figures whose cases the record has."""
    return [
        *_shares(summary),
        *_formats(summary),
        *_loop(summary),
        *_latency(summary),
    ]


def _group(summary: Summary, batch_size: int) -> GroupSummary | None:
    groups = summary.of("training-step")
    return next((g for g in groups if g.reference.workload.batch_size == batch_size), None)


def _shares(summary: Summary) -> Iterator[KeyFigure]:
    group = _group(summary, 64)
    if group is None:
        return
    float32 = group.row(mode="eager", precision="float32", layout="channels-last")
    if float32 is None:
        return
    if COMPUTE in float32.shares:
        yield KeyFigure(
            question="How near is a float32 training step to its limit, batch 64?",
            answer="of the arithmetic limit",
            ratio=float32.shares[COMPUTE],
            is_share=True,
            target=0.6,
        )
    if group.convolutions is not None:
        yield KeyFigure(
            question="How near are the convolutions of that step alone?",
            answer="of the arithmetic limit",
            ratio=group.convolutions,
            is_share=True,
        )


def _formats(summary: Summary) -> Iterator[KeyFigure]:
    """Compare number formats, memory layouts and compiling, a training step each."""
    float32 = {"mode": "eager", "precision": "float32", "layout": "channels-last"}
    for batch in (64, 256, 1024):
        yield from _pair(
            summary,
            batch,
            {**float32, "precision": "bfloat16"},
            float32,
            question=f"How much faster is a step in bfloat16, batch {batch:,}?",
            answer="times float32",
            target=1.5,
        )
    yield from _pair(
        summary,
        64,
        float32,
        {**float32, "layout": "contiguous"},
        question="How much faster is channels-last in a float32 step, batch 64?",
        answer="times contiguous",
    )
    yield from _pair(
        summary,
        64,
        {**float32, "mode": "compiled"},
        float32,
        question="How much faster is a compiled float32 step, batch 64?",
        answer="times eager",
    )


def _pair(
    summary: Summary, batch: int, one: dict[str, str], other: dict[str, str], **words: Any
) -> Iterator[KeyFigure]:
    group = _group(summary, batch)
    first, second = (group.row(**one), group.row(**other)) if group else (None, None)
    if first and second:
        yield KeyFigure(ratio=speed_ratio(first.case, second.case), **words)


def _loop(summary: Summary) -> Iterator[KeyFigure]:
    for group in summary.of("loop"):
        reference = group.reference
        for precision in ("float32", "bfloat16"):
            whole = group.row(kind="training-loop", precision=precision, augment=True)
            if whole is not None and reference.workload.mode == "plain":
                name = whole.workload.name
                yield KeyFigure(
                    question=f"How much faster is the whole loop ({name}) than plain PyTorch?",
                    answer=f"times {reference.workload.name}",
                    ratio=speed_ratio(whole.case, reference),
                    target=2.5,
                )
        bare = group.row(mode="prepared")
        whole = group.row(mode="eager", precision="float32", augment=False)
        if bare is not None and whole is not None:
            yield _harness(bare, whole)


def _harness(bare: Row, whole: Row) -> KeyFigure:
    cost = ratios.paired(whole.case.item_seconds(), bare.case.item_seconds())
    return KeyFigure(
        question=f"What does the harness add to its steps ({bare.workload.name})?",
        answer="of their time",
        ratio=Ratio(
            value=cost.value - 1.0, low=cost.low - 1.0, high=cost.high - 1.0, count=cost.count
        ),
        is_share=True,
        target=0.03,
        at_most=True,
    )


def _latency(summary: Summary) -> Iterator[KeyFigure]:
    for group in summary.of("inference", "latency"):
        if group.reference.workload.mode != "plain":
            continue
        others = [
            row for row in group.rows if row.versus is not None and row.workload.role == "case"
        ]
        exported = [row for row in others if row.workload.mode == "onnxruntime"]
        of_torch = [row for row in others if row.workload.mode != "onnxruntime"]
        which = f"{group.condition}, block medians"
        if of_torch:
            best = max(of_torch, key=lambda row: row.versus.value if row.versus else 0.0)
            source = "torch" if exported else "the network"
            yield _faster(best, f"one image through {source} at best ({which})", of_torch=True)
        for row in exported:
            yield _faster(row, f"{row.workload.name} ({which})", of_torch=False)


def _faster(row: Row, what: str, *, of_torch: bool) -> KeyFigure:
    assert row.versus is not None
    best = f": {row.workload.name}" if of_torch else ""
    return KeyFigure(
        question=f"How much faster is {what}?",
        answer=f"times the plain PyTorch call{best}",
        ratio=row.versus,
        target=1.25 if of_torch else 2.5,
    )
