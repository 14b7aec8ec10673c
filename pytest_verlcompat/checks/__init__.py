"""Static checks: they read wheels and installed files, and yield findings; they run nothing."""
