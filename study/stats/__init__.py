"""Pure statistics of arrays: no plan, no record."""
