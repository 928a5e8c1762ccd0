"""The picture of the roofline: arithmetic intensity against speed, and the roofs above."""

import math

import numpy as np
from matplotlib.figure import Figure

from bench.analysis import roofline
from bench.analysis.summary import Summary
from bench.reporting.axes import BFLOAT16, FLOAT32, plain, thousands, ticks

MARKERS = {"o": "training step", "s": "inference, batch 16 and more", "D": "inference, batch 1"}


def draw_roofline(summary: Summary) -> Figure | None:
    """Draw arithmetic intensity against speed, and the roofs above."""
    roofs, points = roofline.roofs(summary), roofline.points(summary)
    if not roofs or not points:
        return None
    figure = Figure(figsize=(8.5, 5.2))
    axes = figure.subplots()
    lowest, highest = 2.0, 256.0
    for roof in roofs:
        intensities = np.geomspace(lowest, highest, 200)
        speed = np.minimum(intensities * roof.bytes_per_second, roof.flops_per_second) / 1e9
        shade = BFLOAT16 if roof.precision == "bfloat16" else FLOAT32
        axes.plot(intensities, speed, color=shade, lw=1.6)
        ceiling = roof.flops_per_second / 1e9
        label = f"{roof.precision}: {ceiling:,.0f} GFLOP/s"
        axes.text(highest, ceiling * 1.05, label, ha="right", color=shade, fontsize=9)
    slope = roofs[0].bytes_per_second / 1e9
    knee = math.sqrt(lowest * roofs[0].flops_per_second / roofs[0].bytes_per_second)
    label = f"memory: {slope:,.0f} GB/s"
    axes.text(knee, knee * slope * 1.12, label, rotation=32, ha="center", fontsize=9)
    for intensity, row in points:
        one_or_more = "D" if row.workload.batch_size == 1 else "s"
        axes.plot(
            intensity,
            roofline.rate(row.case, row.case.flops) / 1e9,
            "o" if row.workload.kind == "training-step" else one_or_more,
            color=BFLOAT16 if row.workload.precision == "bfloat16" else FLOAT32,
            mfc="white" if row.workload.mode == "plain" else None,
            ms=7,
        )
    for marker, label in MARKERS.items():
        axes.plot([], [], marker, color="#555555", ls="none", label=label)
    axes.plot([], [], "o", color="#555555", mfc="white", ls="none", label="hollow: plain PyTorch")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(lowest, highest)
    axes.set_ylim(bottom=10)
    thousands(axes.xaxis)
    ticks(axes.yaxis, *axes.get_ylim())
    remark = "memory traffic operator by operator: a lower bound"
    axes.set_xlabel(f"arithmetic intensity, FLOP/byte ({remark})")
    axes.set_ylabel("GFLOP/s")
    plain(axes)
    figure.tight_layout()
    return figure
