"""From a lock to an interpreter that has exactly what the lock names, and nothing of ours."""
