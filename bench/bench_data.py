"""Data: plain PyTorch's pipeline image by image, and batches of resident tensors.

pytest bench/bench_data.py --benchmark-only
"""

from bench.suite.isolated import cases_of

test_data = cases_of("data")
