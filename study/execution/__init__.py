"""Tasks -> records on this machine: queue, workers, session."""
