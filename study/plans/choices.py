"""The samplers and the pruners that a plan can name, each with what it does."""

SAMPLERS = {
    "lhs": "a centred Latin hypercube: with n trials, one in the middle of each n-th of the "
    "logarithmic range, in random order; a few trials then cover the range evenly, which an "
    "adaptive sampler with so little to adapt to cannot promise",
    "qmc": "scrambled Sobol points",
    "random": "independent random draws",
    "tpe": "Optuna's TPESampler, one study per optimizer, trial after trial",
    "gp": "Optuna's GPSampler, one study per optimizer, trial after trial",
}
PRUNERS = {
    "none": "every trial runs to its end",
    "median": "stop a trial below the median of its own search's trials at the same epoch",
    "hyperband": "successive halving within one search's trials",
}
INDEPENDENT_SAMPLERS = ("lhs", "qmc", "random")
