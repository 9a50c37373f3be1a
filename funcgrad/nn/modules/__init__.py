"""The layers of `torch.nn`, a file a field: each is a Module that holds parameters and options of functions of
`nn.functional`. A file here knows Module, `init` and `functional`."""

from . import (
    activation,
    adaptive,
    attention,
    container,
    conv,
    distance,
    dropout,
    linear,
    loss,
    norm,
    pooling,
    rnn,
    shape,
    sparse,
    transformer,
)  # fmt: skip

FILES = (
    activation, adaptive, attention, container, conv, distance, dropout, linear, loss, norm, pooling, rnn, shape, sparse, transformer,
)  # fmt: skip

# every layer, from what each file exports
__all__ = [name for file in FILES for name in file.__all__]
globals().update({name: getattr(file, name) for file in FILES for name in file.__all__})

# files of PyTorch's that are one here
batchnorm = instancenorm = normalization = norm
channelshuffle = flatten = fold = padding = pixelshuffle = upsampling = shape
activation.MultiheadAttention = attention.MultiheadAttention
