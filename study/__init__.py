"""Questions about hyperparameters: searches by Optuna, confirmations, and what they show."""
