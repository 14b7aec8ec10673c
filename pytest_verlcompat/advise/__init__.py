"""From what is known to what to change: the doctor and, later, recommendations."""
