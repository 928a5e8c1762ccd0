"""The same over PostgreSQL, for processes on several machines."""
