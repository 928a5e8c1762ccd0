"""What is trained: the seed's compact CNN, its data, its training step and its training loop.

Knows nothing of studies, benchmarks or profilers. `python -m mnist_core --help` trains, evaluates
and describes; `train.train` is the one training loop that the studies and benchmarks use too.
"""
