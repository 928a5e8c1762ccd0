"""The figures that the suite exists for: each a question, a ratio, what was to be reached."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis import ratios
from bench.analysis.ratios import Ratio
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.summary import COMPUTE, item_seconds, reference, shares, speed_ratio
from bench.workloads.controls import CONVOLUTIONS


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One figure with its interval, and the target it has, if it has one."""

    question: str
    answer: str
    ratio: Ratio
    is_share: bool = False
    target: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the target is reached, and whether the interval leaves a doubt."""
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


def _case(record: Record, group: str, name: str) -> CaseRecord | None:
    found = record.group(f"{record.device}: {group}")
    return found.case(name) if found else None


def headlines(record: Record) -> list[Headline]:
    """Return the figures whose cases the record has."""
    found: list[Headline] = []
    _training(record, found)
    _loop(record, found)
    _latency(record, found)
    return found


def _training(record: Record, found: list[Headline]) -> None:
    name = "training step, batch 64"
    group = record.group(f"{record.device}: {name}")
    float32 = _case(record, name, "float32")
    if group is None or float32 is None:
        return
    for case, question, target in (
        (float32, "How near its limit is a float32 training step, batch 64?", 0.6),
        (
            group.case(CONVOLUTIONS),
            "How near are its convolutions alone, which no code around them can pass?",
            None,
        ),
    ):
        share = shares(case, group).get(COMPUTE) if case is not None else None
        if share is not None:
            found.append(
                Headline(
                    question=question,
                    answer="of the arithmetic limit",
                    ratio=share,
                    is_share=True,
                    target=target,
                )
            )
    for batch in (64, 256, 1024):
        pair = _pair(record, batch, "bfloat16", "float32")
        if pair:
            found.append(
                Headline(
                    question=f"How much faster is a step in bfloat16, batch {batch:,}?",
                    answer="times float32",
                    ratio=pair,
                    target=1.5,
                )
            )
    for form, other, question, answer in (
        (
            "float32",
            "float32, contiguous",
            "What does channels-last give a float32 step, batch 64?",
            "times contiguous",
        ),
        (
            "float32, compiled",
            "float32",
            "Does compiling pay for a float32 step, batch 64?",
            "times eager",
        ),
    ):
        pair = _pair(record, 64, form, other)
        if pair:
            found.append(Headline(question=question, answer=answer, ratio=pair))


def _pair(record: Record, batch: int, form: str, other: str) -> Ratio | None:
    name = f"training step, batch {batch}"
    first, second = _case(record, name, form), _case(record, name, other)
    return speed_ratio(first, second) if first and second else None


def _loop(record: Record, found: list[Headline]) -> None:
    name = "whole loop, batch 64"
    group = record.group(f"{record.device}: {name}")
    if group is None:
        return
    seed = reference(group)
    for form in ("mnist_core, augmentation", "bfloat16, augmentation"):
        whole = group.case(form)
        if whole is not None and seed.workload.mode == "seed":
            found.append(
                Headline(
                    question=f"How much faster is the whole loop ({form}) than the seed's recipe?",
                    answer=f"times {seed.workload.name}",
                    ratio=speed_ratio(whole, seed),
                    target=2.5,
                )
            )
    bare, plain = bare_loop(group), group.case("mnist_core, no augmentation")
    if bare is not None and plain is not None:
        cost = ratios.paired(item_seconds(plain), item_seconds(bare))
        found.append(
            Headline(
                question=f"What does the harness cost, over {_first_words(bare)}?",
                answer="of its time",
                ratio=Ratio(
                    value=cost.value - 1.0,
                    low=cost.low - 1.0,
                    high=cost.high - 1.0,
                    count=cost.count,
                ),
                is_share=True,
                target=0.03,
                at_most=True,
            )
        )


def _first_words(case: CaseRecord) -> str:
    words = case.workload.name.partition(",")[0]
    return f"a {words}" if words.endswith("loop") else words


def bare_loop(group: GroupRecord) -> CaseRecord | None:
    """Return the steps without the harness: in older records, of a network built before."""
    names = ("bare loop, batches prepared", "bare steps, batches prepared")
    return next((found for name in names if (found := group.case(name))), None)


def _latency(record: Record, found: list[Headline]) -> None:
    for group in record.groups:
        if "latency" not in group.name:
            continue
        naive = reference(group)
        if naive.workload.mode != "naive":
            continue
        others = [case for case in group.cases if case.asked and case is not naive]
        exported = [case for case in others if case.workload.mode == "onnxruntime"]
        of_torch = [case for case in others if case.workload.mode != "onnxruntime"]
        which = group.label.removeprefix("inference latency, ") + ", block medians"
        if of_torch:
            best = max(of_torch, key=lambda case: speed_ratio(case, naive).value)
            source = "come out of torch" if exported else "come out"
            found.append(
                Headline(
                    question=f"How much sooner does one image {source} at best ({which})?",
                    answer=f"times the naive call: {best.workload.name}",
                    ratio=speed_ratio(best, naive),
                    target=1.25,
                )
            )
        found += [
            Headline(
                question=f"How much sooner does it come out of {case.workload.name} ({which})?",
                answer="times the naive call",
                ratio=speed_ratio(case, naive),
                target=2.5,
            )
            for case in exported
        ]
