"""Inference: latency of one image, throughput of batches.

pytest bench/bench_inference.py --benchmark-only
"""

from bench.suite.isolated import cases_of

test_inference = cases_of("inference")
