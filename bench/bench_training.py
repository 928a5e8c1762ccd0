"""Training: single steps in all variants, and whole loops beside plain PyTorch.

pytest bench/bench_training.py --benchmark-only
"""

from bench.suite.isolated import cases_of

test_training = cases_of("training-step", "training-loop", "plain-loop")
