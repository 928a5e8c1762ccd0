"""The step of each optimizer by itself, on the network's gradients.

pytest bench/bench_optimizers.py --benchmark-only
"""

from bench.suite.isolated import cases_of

test_optimizers = cases_of("optimizer-step")
