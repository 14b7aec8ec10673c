"""Static checks: what wheels and sources say, judged without running any of it."""
