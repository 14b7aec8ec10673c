"""Run code of the stack under test, each probe in a process of its own."""
