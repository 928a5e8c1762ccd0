"""How fast the machine is at best: matrix products and memory copies.

pytest bench/bench_limits.py --benchmark-only
"""

from bench.suite.isolated import cases_of

test_limits = cases_of("gemm", "copy")
