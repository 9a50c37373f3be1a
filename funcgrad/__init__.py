"""funcgrad: PyTorch's way of writing on XLA's way of running.

`import funcgrad as torch`, write PyTorch; forward, backward and update are recorded, and run as one program
that XLA compiled. `explain()` says what was recorded and why it compiled.
"""

import math as _math

from . import (
    _C,
    _dynamo,
    accelerator,
    amp,
    array_api,
    autograd,
    backends,
    compiler,
    cuda,
    distributed,
    distributions,
    fft,
    func,
    hub,
    io,
    jit,
    linalg,
    mps,
    multiprocessing,
    nested,
    nn,
    onnx,
    optim,
    overrides,
    profiler,
    random,
    serialization,
    sparse,
    special,
    testing,
    types,
    utils,
    version,
    xpu,
)
from .amp import GradScaler, autocast, get_autocast_dtype, is_autocast_enabled
from .autograd import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .backends import (
    are_deterministic_algorithms_enabled,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    use_deterministic_algorithms,
)
from .compiler import compile
from .device import device, get_default_device, set_default_device
from .draw import backward_graph, forward_graph
from .dtypes import (
    DType,
    bfloat16,
    can_cast,
    complex64,
    complex128,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .dtypes import bool_ as bool
from .engine import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .func import vmap
from .io import load, save
from .random import Generator
from .tape import RecompileWarning, assert_no_recompile, explain, set_default_dtype
from .tape import run as sync
from .tensor import NAMES as _NAMES
from .tensor import Size, Tensor
from .tensor.printing import set_printoptions
from .tensor.tensor import typename
from .version import __version__

# PyTorch's other names for dtypes, and its constants
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
dtype = DType
pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
strided, jagged, contiguous_format, preserve_format, channels_last = (
    "torch.strided", "torch.jagged", "torch.contiguous_format", "torch.preserve_format", "torch.channels_last",
)  # fmt: skip

# every operator that is a function: one list, made from the tables
globals().update(_NAMES["torch"])
