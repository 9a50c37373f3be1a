"""Floor 0. The version, written here and nowhere else: the build reads this file. Knows nothing."""

__version__ = "0.1.0"
