"""Known failures as data, and what reads a log or an inventory against them.

This room imports nothing of the stack it speaks about and starts no process.
"""
