"""Questions about time: throughput and latency beside the limit of the machine."""
