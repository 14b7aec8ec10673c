"""From what is known to what to change: what drifted, and what a doctor says."""
