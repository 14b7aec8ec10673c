"""Reads indexes, wheels and installed trees; never imports or runs what it reads.

Nothing is imported here, so that a caller pays only for the module it uses.
"""
