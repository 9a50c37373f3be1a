"""Floor 0. The version, written here and nowhere else: the build reads this file. Knows nothing."""

__version__ = "0.1.0"

# what PyTorch's names were built for; there are no such builds here, JAX has its own
cuda = hip = xpu = git_version = None
debug = False
