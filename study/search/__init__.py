"""Which run comes next: proposals and confirmations, as functions of plan and records."""
