"""Where images come from: `load` finds, downloads, checks and splits the data sets of `registry`.

Arrows go down: load, locate, download, files and digits, splits, registry, spec.
"""
