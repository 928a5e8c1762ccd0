"""Is NEW slower than OLD: `python -m bench.compare OLD NEW`.

OLD and NEW are two git revisions (`.` is the working tree), which are timed side by side. Exit
codes: 0 where no case is slower, 3 where one is, 4 where no case could be judged, 2 for wrong
input, 1 only for a defect of this command.
"""

import argparse
import functools
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.comparison import revisions, verdicts
from bench.comparison.verdicts import Evidence, Verdict
from bench.reporting import rounding
from mnist_core.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError, run_command
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.formatting import markdown_table

EXIT_SLOWER, EXIT_NOTHING_JUDGED = 3, 4
"""Neither is 1, with which Python ends on a traceback, nor 2, wrong input."""


def render(evidence: Mapping[str, Evidence], called: Mapping[str, Verdict]) -> str:
    """Render the answer: what changed first, then every case."""
    answer = [f"{name}: {called[name]}" for name in called if called[name] != "inconclusive"]
    if not answer and verdicts.nothing_judged(evidence, called):
        answer.append(
            f"Nothing judged: in all {len(called)} cases the interval reaches a slow-down of "
            f"{100 * (verdicts.DETECTABLE - 1.0):.0f} %."
        )
    elif not answer:
        answer.append(f"No difference shown in {len(called)} cases.")
    rows = [
        (name, called[name], rounding.with_interval(found.ratio), found.ratio.count)
        for name, found in evidence.items()
    ]
    header = ("case", "NEW is", "time, NEW over OLD", "n")
    return "\n".join([*answer, "", markdown_table(rows, header=header, numeric=header[2:])])


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, and answer by exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Say of each case whether NEW is faster, slower or not separated from OLD.",
        epilog=f"Exit codes: 0 no case is slower, {EXIT_SLOWER} one is, {EXIT_NOTHING_JUDGED} no "
        f"case could be judged, {EXIT_USER_ERROR} wrong input, {EXIT_INTERRUPTED} interrupted; 1 "
        "is a defect of this command, with a traceback.",
    )
    parser.add_argument("old", metavar="OLD", help="a git revision ('.' is the working tree)")
    parser.add_argument("new", metavar="NEW", help="likewise")
    parser.add_argument("-k", dest="pattern", default="", help="only cases with this in the name")
    pairs = f"pairs of processes, at least {verdicts.FEWEST} (default: %(default)s)"
    parser.add_argument("--pairs", type=int, default=revisions.PAIRS, help=pairs)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--save", type=Path, help="write the raw times to this file, as JSON")
    options = parser.parse_args(arguments)
    return run_command(lambda: _compare(options))


def _compare(options: argparse.Namespace) -> int:
    if options.pairs < verdicts.FEWEST:
        raise UserError(f"--pairs must be >= {verdicts.FEWEST}, got {options.pairs}")
    if options.save and (options.save.is_dir() or not os.access(options.save.parent, os.W_OK)):
        rule = "--save must be a file in a folder that can be written"
        raise UserError(f"{rule}, got {options.save}")
    commits = [revisions.resolve(name) for name in (options.old, options.new)]
    cases = revisions.comparable(options.device, pattern=options.pattern)
    with revisions.checked_out(commits[0]) as old, revisions.checked_out(commits[1]) as new:
        say = functools.partial(print, file=sys.stderr, flush=True)
        times = revisions.measure(
            old, new, cases, dataset_name="auto", pairs=options.pairs, say=say
        )
    if options.save:
        write_atomically(options.save, json.dumps(times) + "\n")
    evidence = {
        name: verdicts.weigh(verdicts.log_ratios(blocks)) for name, blocks in times.items()
    }
    called = verdicts.judge(evidence)
    print(render(evidence, called))
    print(f"\nOLD is {commits[0]}, NEW is {commits[1]}; n is the number of pairs of processes.")
    if "slower" in called.values():
        return EXIT_SLOWER
    return EXIT_NOTHING_JUDGED if verdicts.nothing_judged(evidence, called) else 0


if __name__ == "__main__":
    sys.exit(main())
