"""Instruments: the clock, blocks of calls, the host, a call in another process."""
