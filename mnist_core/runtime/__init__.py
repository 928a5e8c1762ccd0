"""The process and the files it writes: device, memory, randomness, provenance, output."""
