"""What is trained: a compact CNN, its data, its training step and its training loop.

Knows nothing of studies, benchmarks or profilers. Folders: `cli` (the commands), `training` (step,
loop, state, checkpoints), `optim`, `models`, `data`, `runtime` (the process and the files that it
writes) and `references` (other people's code). Start with `python -m mnist_core --help`;
`training.loop.train` is the one training loop, which studies and benchmarks use too.
"""
