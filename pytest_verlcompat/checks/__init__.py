"""Static checks: they read wheels and resolved sets, and never run what they read."""
