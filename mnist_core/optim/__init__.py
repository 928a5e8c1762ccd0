"""What changes the weights: optimizers, schedules, weight averages."""
