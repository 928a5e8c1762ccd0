"""Faster, slower or inconclusive: `python -m bench.compare OLD NEW`.

OLD and NEW are two git revisions (`.` is the working tree), which are then timed side by side, or
two records (record.json or its folder). Exit codes: 0 where no case is slower, 3 where one is, 4
where no case could be judged, 2 for wrong input, 1 only for a defect of this command.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.analysis import record
from bench.analysis.ratios import CONFIDENCE
from bench.analysis.record import Record
from bench.comparison import noise, revisions, verdicts
from bench.comparison.verdicts import Blocks, Evidence, Verdict
from bench.reporting import rounding
from mnist_core.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError, run_command
from mnist_core.runtime.formatting import markdown_table, write_atomically

EXIT_SLOWER, EXIT_NOTHING_JUDGED = 3, 4
"""Neither is 1, with which Python ends on a traceback, nor 2, wrong input."""
_SAME_MACHINE = ("processor", "device", "cores")
_TOLD = ("threads", "packages", "python", "cpu_capability")


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A case that cannot be judged: in how many runs its noise was recorded is too few."""

    ratio: float
    """NEW's time over OLD's."""
    runs: int

    def __str__(self) -> str:
        """Return what NEW is, as far as can be said."""
        recorded = f"noise recorded in {self.runs} runs" if self.runs else "no noise recorded"
        return f"inconclusive ({recorded} for it)"


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What was seen of all cases: those that can be judged, the others, and notes for a reader."""

    evidence: dict[str, Evidence]
    unknown: dict[str, Unknown] = field(default_factory=dict)
    notes: list[str]


def records(old: Record, new: Record, same_code: Sequence[Record]) -> Weighed:
    """Weigh the cases of two records.

    A case's figure is its time over that of the seed's code in the same blocks, or its time where
    its group has none. A case that the runs of `same_code` do not have, or not often enough, gets
    no evidence. Raises `UserError` for records of different machines.
    """
    _require_same_machine(old, new)
    notes = [
        f"{what} differs: {was} and {now}"
        for what, was, now in _differences(old, new)
        if was != now
    ]
    known = noise.spreads([run for run in same_code if _is_same_machine(run, new)])
    before, after = noise.figures(old), noise.figures(new)
    common = [name for name in after if name in before]
    if not common:
        raise UserError("the two records have no case in common")
    evidence: dict[str, Evidence] = {}
    unknown: dict[str, Unknown] = {}
    for name in common:
        absolute, relative = known.get(name, ([], []))
        then, now = before[name], after[name]
        if then.over_seed is not None and now.over_seed is not None:
            values, was, is_now = relative, then.over_seed, now.over_seed
        else:
            values, was, is_now = absolute, then.absolute, now.absolute
        if len(values) >= verdicts.FEWEST:
            evidence[name] = verdicts.two_runs(was, is_now, same_code=values)
        else:
            unknown[name] = Unknown(ratio=math.exp(is_now - was), runs=len(values))
    if unknown:
        notes.append(
            f"To tell a change from noise takes >= {verdicts.FEWEST} runs of the same code on "
            "this machine (see bench.comparison.noise); two revisions are compared without."
        )
    alone = sorted(set(before) ^ set(after))
    if alone:
        notes.append(f"In one record only: {'; '.join(alone)}")
    return Weighed(evidence=evidence, unknown=unknown, notes=notes)


def _differences(old: Record, new: Record) -> Iterator[tuple[str, Any, Any]]:
    """Yield what two records were made with, by name; a package that one lacks is left out."""
    for key in _TOLD:
        was, now = old.environment[key], new.environment[key]
        if isinstance(was, dict) and isinstance(now, dict):
            for name in sorted(was.keys() & now.keys()):
                yield name, was[name], now[name]
        else:
            yield key, was, now
    yield "the data set", old.dataset["label"], new.dataset["label"]


def _is_same_machine(one: Record, other: Record) -> bool:
    return all(one.environment[key] == other.environment[key] for key in _SAME_MACHINE)


def _require_same_machine(old: Record, new: Record) -> None:
    for key in _SAME_MACHINE:
        if old.environment[key] != new.environment[key]:
            raise UserError(
                f"two records must be of the same {key}, got {old.environment[key]!r} and "
                f"{new.environment[key]!r}; compare two revisions instead"
            )


def side_by_side(times: Mapping[str, Blocks]) -> dict[str, Evidence]:
    """Weigh the blocks of two revisions that were timed side by side."""
    return {
        name: verdicts.side_by_side(noise.log_ratios(blocks)) for name, blocks in times.items()
    }


def render(weighed: Weighed, called: Mapping[str, Verdict]) -> str:
    """Render the answer: what changed first, then every case."""
    opening = [f"{name}: {called[name]}" for name in called if called[name] != "inconclusive"]
    if not opening and called:
        opening.append(f"No difference shown in {len(called)} cases.")
    if weighed.unknown:
        opening.append(f"Not judged: {len(weighed.unknown)} cases, whose noise is not known.")
    table = markdown_table(
        [
            [name, called[name], rounding.with_interval(found.ratio), str(found.ratio.count)]
            for name, found in weighed.evidence.items()
        ]
        + [
            [name, str(case), f"{case.ratio:.3g}", str(case.runs)]
            for name, case in weighed.unknown.items()
        ],
        header=("case", "NEW is", "time, NEW over OLD", "n"),
        numeric=("time, NEW over OLD", "n"),
    )
    return "\n\n".join(["\n".join(opening), table, *weighed.notes])


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, and answer by exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Say of each case whether NEW is faster, slower or not separated from OLD. "
        "Two revisions side by side are the instrument for 10 %. Runs at different times differ "
        "by more than that in most cases: two records answer only for large differences, and only "
        "for cases whose noise was recorded on the machine.",
        epilog=f"Exit codes: 0 no case is slower, {EXIT_SLOWER} one is, {EXIT_NOTHING_JUDGED} no "
        f"case could be judged, {EXIT_USER_ERROR} wrong input, {EXIT_INTERRUPTED} interrupted; 1 "
        "is a defect of this command, with a traceback.",
    )
    parser.add_argument("old", metavar="OLD", help="a git revision, or a record")
    parser.add_argument("new", metavar="NEW", help="likewise ('.' is the working tree)")
    only = parser.add_argument_group("of two revisions")
    only.add_argument("-k", dest="pattern", help="only cases with this in their name")
    only.add_argument(
        "--pairs",
        type=int,
        help=f"pairs of processes, at least {verdicts.FEWEST} (default: {revisions.PAIRS})",
    )
    only.add_argument("--device", choices=("cpu", "cuda"), help="default: cpu")
    only.add_argument("--save", type=Path, help="write the raw times to this file, as JSON")
    options = parser.parse_args(arguments)
    return run_command(lambda: _compare(options))


def _compare(options: argparse.Namespace) -> int:
    old, new = Path(options.old), Path(options.new)
    confidence = CONFIDENCE
    if _is_record(old) and _is_record(new):
        given = (options.pattern, options.pairs, options.device, options.save)
        if any(value is not None for value in given):
            raise UserError("-k, --pairs, --device and --save are for two revisions")
        later = record.read(new)
        weighed = records(record.read(old), later, noise.same_code(later.device))
        confidence = verdicts.RUNS_CONFIDENCE
    elif _is_record(old) or _is_record(new):
        revisions.resolve(options.new if _is_record(old) else options.old)
        raise UserError("OLD and NEW must be two records or two revisions, got one of each")
    else:
        weighed = _revisions(options)
    called = verdicts.judge(weighed.evidence, confidence=confidence)
    print(render(weighed, called))
    if not called:
        return EXIT_NOTHING_JUDGED
    return EXIT_SLOWER if "slower" in called.values() else 0


def _is_record(path: Path) -> bool:
    return path.is_file() or (path / record.FILE_NAME).is_file()


def _revisions(options: argparse.Namespace) -> Weighed:
    pairs = revisions.PAIRS if options.pairs is None else options.pairs
    if pairs < verdicts.FEWEST:
        raise UserError(f"--pairs must be >= {verdicts.FEWEST}, got {pairs}")
    if options.save and (options.save.is_dir() or not os.access(options.save.parent, os.W_OK)):
        raise UserError(
            f"--save must be a file in a folder that can be written, got {options.save}"
        )
    commits = [revisions.resolve(name) for name in (options.old, options.new)]
    cases = revisions.comparable(options.device or "cpu", pattern=options.pattern or "")
    with revisions.checked_out(commits[0]) as old, revisions.checked_out(commits[1]) as new:
        times = revisions.measure(
            old,
            new,
            cases,
            dataset_name="auto",
            pairs=pairs,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    if options.save:
        write_atomically(options.save, json.dumps(times) + "\n")
    note = f"OLD is {commits[0]}, NEW is {commits[1]}; n is the number of pairs of processes."
    return Weighed(evidence=side_by_side(times), notes=[note])


if __name__ == "__main__":
    sys.exit(main())
