"""Static checks: they read wheels, sources and resolved sets, and run nothing of it."""
