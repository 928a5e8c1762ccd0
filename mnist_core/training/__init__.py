"""Configuration and data -> weights: the one step, the one loop, evaluation, checkpoints."""
