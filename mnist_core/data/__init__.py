"""Where images come from: the registry of data sets, their files, checksums and splits."""
