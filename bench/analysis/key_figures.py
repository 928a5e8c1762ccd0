"""The key figures of a run: each is a question with a ratio, and most have a target."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.analysis.ratios import Estimate, paired
from bench.analysis.summary import COMPUTE, GroupSummary, Row, Summary, speed_ratio

_FLOAT32 = {"mode": "eager", "precision": "float32", "layout": "channels-last"}
_BFLOAT16 = {**_FLOAT32, "precision": "bfloat16"}
_CONTIGUOUS = {**_FLOAT32, "layout": "contiguous"}
_COMPILED = {**_FLOAT32, "mode": "compiled"}
_COMPARED = (
    *(("a step in bfloat16", n, _BFLOAT16, "float32", _FLOAT32, 1.5) for n in (64, 256, 1024)),
    ("channels-last in a float32 step", 64, _FLOAT32, "contiguous", _CONTIGUOUS, None),
    ("a compiled float32 step", 64, _COMPILED, "eager", _FLOAT32, None),
)
"""What, its batch size and workload; than what, its workload; the target."""


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One figure with its interval and, where it has one, its target."""

    question: str
    answer: str
    ratio: Estimate
    is_share: bool = False
    target: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the target is reached, and whether the interval includes it."""
        if self.target is None:
            return ""
        sign = -1.0 if self.at_most else 1.0
        ends = sorted(sign * (end - self.target) for end in (self.ratio.low, self.ratio.high))
        if ends[0] >= 0.0:
            return "reached"
        if ends[1] < 0.0:
            return "missed"
        is_reached = sign * (self.ratio.value - self.target) >= 0.0
        return "reached, not beyond doubt" if is_reached else "missed, not beyond doubt"


def _faster(what: str, ratio: Estimate, *, than: str, target: float | None = None) -> KeyFigure:
    question, answer = f"How much faster is {what}?", f"times {than}"
    return KeyFigure(question=question, answer=answer, ratio=ratio, target=target)


def key_figures(summary: Summary) -> list[KeyFigure]:
    """Return the figures whose cases the record has."""
    return [*_shares(summary), *_formats(summary), *_loop(summary), *_latency(summary)]


def _group(summary: Summary, batch_size: int) -> GroupSummary | None:
    groups = summary.of("training-step")
    return next((g for g in groups if g.reference.workload.batch_size == batch_size), None)


def _shares(summary: Summary) -> Iterator[KeyFigure]:
    group = _group(summary, 64)
    float32 = group.row(**_FLOAT32) if group else None
    if group is None or float32 is None:
        return
    answer = "of the arithmetic limit"
    if COMPUTE in float32.shares:
        question = "How near is a float32 training step to its limit, batch 64?"
        share = float32.shares[COMPUTE]
        yield KeyFigure(question=question, answer=answer, ratio=share, is_share=True, target=0.6)
    if group.convolutions is not None:
        question, share = "How near are the convolutions of that step alone?", group.convolutions
        yield KeyFigure(question=question, answer=answer, ratio=share, is_share=True)


def _formats(summary: Summary) -> Iterator[KeyFigure]:
    """Compare number formats, memory layouts and compiling, a training step each."""
    for what, batch, one, than, other, target in _COMPARED:
        group = _group(summary, batch)
        first, second = (group.row(**one), group.row(**other)) if group else (None, None)
        if first and second:
            ratio = speed_ratio(first.case, second.case)
            yield _faster(f"{what}, batch {batch:,}", ratio, than=than, target=target)


def _loop(summary: Summary) -> Iterator[KeyFigure]:
    for group in summary.of("loop"):
        plain = group.reference
        for precision in ("float32", "bfloat16"):
            whole = group.row(kind="training-loop", precision=precision, augment=True)
            if whole is not None and plain.workload.mode == "plain":
                what = f"the whole loop ({whole.workload.name}) than plain PyTorch"
                ratio = speed_ratio(whole.case, plain)
                yield _faster(what, ratio, than=plain.workload.name, target=2.5)
        bare = group.row(mode="prepared")
        whole = group.row(mode="eager", precision="float32", augment=False)
        if bare is not None and whole is not None:
            yield _harness(bare, whole)


def _harness(bare: Row, whole: Row) -> KeyFigure:
    cost = paired(whole.case.item_seconds(), bare.case.item_seconds())
    return KeyFigure(
        question=f"What does the harness add to its steps ({bare.workload.name})?",
        answer="of their time",
        ratio=replace(cost, value=cost.value - 1.0, low=cost.low - 1.0, high=cost.high - 1.0),
        is_share=True,
        target=0.03,
        at_most=True,
    )


def _latency(summary: Summary) -> Iterator[KeyFigure]:
    for group in summary.of("inference", "latency"):
        if group.reference.workload.mode != "plain":
            continue
        cases = [(row, row.versus) for row in group.rows if row.workload.role == "case"]
        others = [(row.workload, ratio) for row, ratio in cases if ratio is not None]
        exported = [(work, ratio) for work, ratio in others if work.mode == "onnxruntime"]
        of_torch = [(work, ratio) for work, ratio in others if work.mode != "onnxruntime"]
        which, than = f"({group.condition}, block medians)", "the plain PyTorch call"
        if of_torch:
            best, ratio = max(of_torch, key=lambda other: other[1].value)
            what = f"one image through {'torch' if exported else 'the network'} at best {which}"
            yield _faster(what, ratio, than=f"{than}: {best.name}", target=1.25)
        for work, ratio in exported:
            yield _faster(f"{work.name} {which}", ratio, than=than, target=2.5)
