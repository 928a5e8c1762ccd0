"""Two revisions side by side: a process for each, the same harness, blocks in turn.

The harness is this checkout's `bench`; what differs is the `mnist_core` that each process imports.
A revision is anything that git can name, or `.` for the files as they are now.
"""

import contextlib
import io
import random
import shutil
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.comparison.verdicts import Blocks
from bench.timing.remote import Worker, WorkerError, revision_worker
from bench.workloads.prepare import unavailable
from bench.workloads.registry import WORKLOADS
from bench.workloads.workload import Workload
from mnist_core.errors import UserError

WORKING_TREE = "."
PAIRS = 14
"""Each new process lies at other places in memory, which can make a case slower by a per cent."""
MOST_BLOCKS, FEWEST_BLOCKS, SIDE_SECONDS = 16, 6, 3.0
_KINDS = ("training-step", "optimizer-step", "training-loop", "inference", "data")
_OTHER_CODE = ("plain", "compiled", "ahead-of-time", "onnxruntime")
"""Modes that run other code than mnist_core's, or that take seconds to compile."""
_USUAL = (
    "{device}: training step, batch 64/float32",
    "{device}: training step, batch 64/bfloat16",
    "{device}: whole loop, batch 64/mnist_core, augmentation",
    "{device}: optimizer step/Adam",
    "{device}: inference throughput, batch 256/channels-last",
    "cpu: data, augmented/batched tensors",
)


def usual(device: str) -> list[str]:
    """Return the names of the few cases that stand for the rest, whether they run here or not."""
    names = {name.format(device=device) for name in _USUAL}
    cases = [case for case in WORKLOADS if case.device == device]
    return [c.id for c in cases if c.id in names or (c.metric == "latency" and c.in_a_a_test)]


def comparable(device: str, *, pattern: str = "") -> list[Workload]:
    """Return the cases with a text in their names; without one, the usual ones.

    Only cases that run mnist_core's code and start quickly. Raises `UserError` where none matches,
    or none that does can run on this machine.
    """
    known = [
        case
        for case in WORKLOADS
        if case.kind in _KINDS and case.mode not in _OTHER_CODE and case.device == device
    ]
    matching = [case.id for case in known if pattern.lower() in case.id.lower()]
    wanted = matching if pattern else usual(device)
    named = [case for case in known if case.id in wanted]
    if not named:
        listed = "; ".join(case.id for case in known)
        raise UserError(f"no case has {pattern!r} in its name; known: {listed}")
    available = [case for case in named if unavailable(case) is None]
    if not available:
        raise UserError(f"{named[0].id} cannot run here: {unavailable(named[0])}")
    return available


def resolve(revision: str) -> str:
    """Return the commit that git knows a revision by, or `.`. Raises `UserError` for no commit."""
    if revision == WORKING_TREE:
        return revision
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    except subprocess.CalledProcessError:
        rule = "OLD and NEW must be revisions that git knows, or '.'"
        raise UserError(f"{rule}, got {revision!r}") from None
    except OSError as error:
        raise UserError(f"comparing revisions needs git ({error.strerror})") from error


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Yield a folder that holds mnist_core as it was in a revision."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if revision == WORKING_TREE:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "mnist_core", folder / "mnist_core", ignore=ignored)
        else:
            _extract(revision, folder)
        if not (folder / "mnist_core" / "training").is_dir():
            raise UserError(
                "a revision must have mnist_core.training, which this checkout's bench imports, "
                f"got {revision}, from before the package had folders; compare later revisions, "
                "or check out a revision from before the folders and use its own bench.compare"
            )
        yield folder


def _extract(revision: str, folder: Path) -> None:
    try:
        archive = _git("archive", "--format=tar", revision, "--", "mnist_core")
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode().strip()
        raise UserError(f"revision {revision} has no mnist_core to compare: {reason}") from error
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


@dataclass(frozen=True)
class _Side:
    """The process of one revision: what fails in it is the revision's fault."""

    name: str
    worker: Worker

    def ask(self, command: str, *, about: str, **arguments: Any) -> Any:
        try:
            return self.worker.ask(command, **arguments)
        except WorkerError as error:
            raise UserError(
                f"{self.name} cannot run {about} ({error}); a revision may be too old for this "
                "checkout's bench, or for a case: choose others with -k"
            ) from error


@contextlib.contextmanager
def _started(name: str, folder: Path) -> Iterator[_Side]:
    """Start a process that measures the mnist_core of a folder, and make sure that it does."""
    worker = revision_worker(folder)
    with contextlib.closing(worker):
        side = _Side(name, worker)
        where = side.ask("where", about="at all")
        if Path(where) != folder.resolve():
            raise UserError(f"{name}: mnist_core was imported from {where}, not from {folder}")
        yield side


def measure(
    old: Path,
    new: Path,
    cases: Sequence[Workload],
    *,
    dataset_name: str,
    pairs: int = PAIRS,
    say: Callable[[str], None],
) -> dict[str, Blocks]:
    """Time all cases in turn in both folders; return each one's paired blocks, by process."""
    times: dict[str, Blocks] = {case.id: [] for case in cases}
    order = random.Random(0)
    folders = [("OLD", old), ("NEW", new)]
    for number in range(pairs):
        with contextlib.ExitStack() as stack:
            sides = [stack.enter_context(_started(*folder)) for folder in folders]
            for case in cases:
                say(f"pair of processes {number + 1} of {pairs}: {case.id}")
                blocks = _pair(sides, case, dataset_name=dataset_name, order=order)
                times[case.id].append((blocks["OLD"], blocks["NEW"]))
        folders.reverse()  # the other one starts first in the next pair
    return times


def _pair(
    sides: list[_Side], case: Workload, *, dataset_name: str, order: random.Random
) -> dict[str, list[float]]:
    """Time one case in two processes, a block of each in turn; return their blocks by side."""
    about = repr(case.id)
    described = {"workload": asdict(case), "dataset": dataset_name}
    seconds = [float(side.ask("prepare", about=about, **described)) for side in sides]
    blocks: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(block_count(min(seconds))):
        order.shuffle(sides)
        for side in sides:
            block = side.ask("block", about=about, case=case.id)
            blocks[side.name].append(statistics.median(block))
    for side in sides:
        side.ask("drop", about=about, case=case.id)
    return blocks


def block_count(call_seconds: float) -> int:
    """Return the blocks that a case gets in each pair of processes: fewer where a call is long."""
    return max(FEWEST_BLOCKS, min(MOST_BLOCKS, int(SIDE_SECONDS / max(call_seconds, 1e-9))))
