"""Which versions of a verl stack work together, and why not.

Importing this package costs nothing: every room is imported where it is used.
"""

__version__ = "0.1.0"
