"""Every layer with every option, from the same seed: parameters, output, gradients, buffers, state_dict and repr beside
PyTorch's."""

import copy
import warnings

import numpy as np
import pytest
import torch

import funcgrad

F32 = np.float32

# (how it is made, shapes of its inputs); "int:5" is a tensor of that shape with numbers below 5, given after a colon
CASES = """
Identity(54, x=1) | 2,3
Linear(3, 4) | 2,3
Linear(3, 4, bias=False) | 2,5,3
Bilinear(3, 4, 5) | 2,3 2,4
Bilinear(3, 4, 5, bias=False) | 2,3 2,4
Threshold(0.1, 20) | 2,3
ReLU() | 2,3
ReLU(inplace=True) | 2,3
ReLU6() | 2,3
RReLU(0.1, 0.3) eval | 2,3
Hardtanh(-0.5, 0.7) | 2,3
Sigmoid() | 2,3
Tanh() | 2,3
SiLU() | 2,3
Mish() | 2,3
Hardsigmoid() | 2,3
Hardswish() | 2,3
ELU(alpha=2.0) | 2,3
CELU(alpha=2.0) | 2,3
SELU() | 2,3
GLU() | 2,4
GLU(dim=0) | 4,3
GELU() | 2,3
GELU(approximate='tanh') | 2,3
Hardshrink(0.3) | 2,3
LeakyReLU(0.2) | 2,3
LogSigmoid() | 2,3
Softplus(2, 1) | 2,3
Softshrink(0.3) | 2,3
PReLU() | 2,3,4
PReLU(3, init=0.1) | 2,3,4
Softsign() | 2,3
Tanhshrink() | 2,3
Softmin(dim=1) | 2,3
Softmax(dim=0) | 2,3
Softmax2d() | 2,3,4,4
LogSoftmax(dim=-1) | 2,3
BatchNorm1d(3) | 4,3
BatchNorm1d(3, eps=0.1, momentum=0.3) | 4,3,5
BatchNorm1d(3, affine=False) | 4,3
BatchNorm1d(3, track_running_stats=False) | 4,3
BatchNorm1d(3, momentum=None) | 4,3
BatchNorm1d(3) eval | 4,3
BatchNorm2d(3) | 4,3,2,2
BatchNorm3d(3) | 4,3,2,2,2
InstanceNorm1d(3) | 2,3,5
InstanceNorm2d(3, affine=True, track_running_stats=True) | 2,3,4,4
InstanceNorm2d(3, affine=True, track_running_stats=True) eval | 2,3,4,4
InstanceNorm3d(3) | 2,3,2,2,3
LayerNorm(4) | 2,3,4
LayerNorm((3, 4), eps=0.1, bias=False) | 2,3,4
LayerNorm(4, elementwise_affine=False) | 2,3,4
RMSNorm(4) | 2,3,4
RMSNorm((3, 4), eps=0.1, elementwise_affine=False) | 2,3,4
GroupNorm(2, 4) | 2,4,3
GroupNorm(4, 4, affine=False) | 2,4,3,2
LocalResponseNorm(2, alpha=0.1) | 2,4,3,3
CrossMapLRN2d(3, alpha=0.1) values | 2,4,3,3
Conv1d(4, 6, 3) | 2,4,8
Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2) | 2,4,8
Conv1d(4, 6, 3, padding='same', bias=False) | 4,8
Conv2d(3, 4, 3) | 2,3,6,6
Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=3) | 2,3,6,6
Conv2d(3, 4, 3, padding='same', padding_mode='reflect') | 2,3,6,6
Conv2d(3, 4, 3, padding=1, padding_mode='circular') | 2,3,6,6
Conv2d(3, 4, 3, padding=2, padding_mode='replicate') | 2,3,6,6
Conv3d(2, 3, 2, padding=1) | 1,2,4,4,4
ConvTranspose1d(4, 6, 3, stride=2, output_padding=1) | 2,4,5
ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False) | 2,4,5,5
ConvTranspose2d(4, 3, 2, dilation=2) | 2,4,4,4
ConvTranspose3d(2, 3, 2) | 1,2,3,3,3
MaxPool1d(2) | 2,3,8
MaxPool2d(3, stride=2, padding=1, ceil_mode=True) | 2,3,7,7
MaxPool2d(2, dilation=2) | 2,3,7,7
MaxPool2d(2, return_indices=True) | 2,3,6,6
MaxPool3d(2) | 1,2,4,4,4
AvgPool1d(3, 2, 1) | 2,3,8
AvgPool2d(3, 2, padding=1, count_include_pad=False) | 2,3,7,7
AvgPool2d(2, divisor_override=3) | 2,3,6,6
AvgPool3d(2) | 1,2,4,4,4
FractionalMaxPool2d(2, output_size=(3, 4), return_indices=True) | 2,3,7,8
FractionalMaxPool3d((1, 2, 2), output_ratio=0.5) | 1,2,6,6,6
AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, head_bias=True) | 4,8 int:20:4
LPPool1d(2, 3) | 2,3,8
LPPool2d(2, 2, stride=1) | 2,3,6,6
LPPool3d(2, 2) | 1,2,4,4,4
AdaptiveMaxPool1d(3) | 2,3,8
AdaptiveMaxPool2d((2, 3)) | 2,3,6,6
AdaptiveMaxPool3d(2) | 1,2,4,4,4
AdaptiveAvgPool1d(3) | 2,3,8
AdaptiveAvgPool2d((2, None)) | 2,3,6,6
AdaptiveAvgPool3d(1) | 1,2,4,4,4
Flatten() | 2,3,4
Flatten(0, 1) | 2,3,4
Unflatten(1, (2, 3)) | 2,6
ChannelShuffle(2) | 2,4,3,3
PixelShuffle(2) | 2,8,3,3
PixelUnshuffle(2) | 2,2,6,6
Fold((4, 5), (2, 2)) | 1,12,12
Unfold((2, 3), padding=1, stride=2) | 2,3,6,6
ConstantPad1d(2, 1.5) | 2,3,4
ConstantPad2d((1, 2, 0, 1), 0.5) | 2,3,4,4
ConstantPad3d(1, 0.5) | 1,2,3,3,3
ZeroPad1d(1) | 2,3,4
ZeroPad2d((1, 0, 2, 1)) | 2,3,4,4
ZeroPad3d(1) | 1,2,3,3,3
ReflectionPad1d(2) | 2,3,4
ReflectionPad2d((1, 2, 0, 1)) | 2,3,4,4
ReflectionPad3d(1) | 1,2,3,3,3
ReplicationPad1d(2) | 2,3,4
ReplicationPad2d(1) | 2,3,4,4
ReplicationPad3d(1) | 1,2,3,3,3
CircularPad1d(2) | 2,3,4
CircularPad2d(1) | 2,3,4,4
CircularPad3d(1) | 1,2,3,3,3
Upsample(scale_factor=2) | 2,3,4,4
Upsample(size=(5, 6), mode='bilinear', align_corners=False) | 2,3,4,4
Upsample(scale_factor=(2.0, 1.5), mode='bicubic') | 2,3,4,4
UpsamplingNearest2d(scale_factor=2) | 2,3,4,4
UpsamplingBilinear2d(size=7) | 2,3,4,4
Dropout(0.3) eval | 2,3
Dropout2d(0.3) eval | 2,3,4,4
AlphaDropout(0.3) eval | 2,3
FeatureAlphaDropout(0.3) eval | 2,3,4
Embedding(7, 3) | int:7:2,4
Embedding(7, 3, padding_idx=2, scale_grad_by_freq=True) | int:7:2,4
Embedding(7, 3, max_norm=0.5) | int:7:2,4
EmbeddingBag(7, 3) | int:7:2,4
EmbeddingBag(7, 3, mode='sum', padding_idx=1) | int:7:2,4
EmbeddingBag(7, 3, mode='max') | int:7:2,4
PairwiseDistance(p=3, keepdim=True) | 4,3 4,3
CosineSimilarity(dim=0) | 4,3 4,3
L1Loss() | 4,3 4,3
MSELoss(reduction='sum') | 4,3 4,3
SmoothL1Loss(beta=0.3) | 4,3 4,3
HuberLoss(delta=0.3, reduction='none') | 4,3 4,3
NLLLoss() | 4,3 int:3:4
CrossEntropyLoss(label_smoothing=0.1) | 4,3 int:3:4
CrossEntropyLoss(ignore_index=1, reduction='sum') | 4,3,2 int:3:4,2
LinearCrossEntropyLoss(3, 5, bias=True, label_smoothing=0.1) | 4,3 int:5:4
LinearCrossEntropyLoss(3, 5, out_features=(2,), reduction='sum') | 4,3 int:5:4,2
KLDivLoss(reduction='batchmean', log_target=True) | 4,3 4,3
BCEWithLogitsLoss() | 4,3 4,3
PoissonNLLLoss(full=True) | 4,3 pos:4,3
GaussianNLLLoss(full=True) | 4,3 4,3 pos:4,3
HingeEmbeddingLoss(0.5) | 4,3 sign:4,3
SoftMarginLoss() | 4,3 sign:4,3
MultiLabelSoftMarginLoss() | 4,3 bit:4,3
MultiLabelMarginLoss() | 4,3 int:3:4,3
CosineEmbeddingLoss(0.1) | 4,3 4,3 sign:4
MarginRankingLoss(0.1) | 4 4 sign:4
MultiMarginLoss(p=2, margin=0.5) | 4,3 int:3:4
TripletMarginLoss(swap=True) | 4,3 4,3 4,3
TripletMarginWithDistanceLoss(margin=0.5) | 4,3 4,3 4,3
RNN(3, 4) | 5,2,3
RNN(3, 4, 2, 'relu', batch_first=True, bidirectional=True) | 2,5,3
LSTM(3, 4) | 5,2,3
LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True) | 2,5,3
LSTM(3, 4, bias=False, proj_size=2) | 5,3
GRU(3, 4, 2) | 5,2,3
GRU(3, 4, bidirectional=True, bias=False) | 5,2,3
RNNCell(3, 4, nonlinearity='relu') | 2,3
RNNCell(3, 4, bias=False) | 3
LSTMCell(3, 4) | 2,3
GRUCell(3, 4) | 2,3
MultiheadAttention(8, 2) | 5,2,8 4,2,8 4,2,8
MultiheadAttention(8, 2, bias=False, batch_first=True, add_zero_attn=True) | 2,5,8 2,4,8 2,4,8
MultiheadAttention(8, 2, kdim=6, vdim=4, add_bias_kv=True) | 5,2,8 4,2,6 4,2,4
TransformerEncoderLayer(8, 2, 16, dropout=0.0) | 5,2,8
TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation='gelu', norm_first=True, bias=False, batch_first=True) | 2,5,8
TransformerDecoderLayer(8, 2, 16, dropout=0.0) | 5,2,8 4,2,8
TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2, nn.LayerNorm(8)) | 5,2,8
Transformer(8, 2, 1, 2, 16, dropout=0.0) | 4,2,8 5,2,8
Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh())) | 2,3
LazyLinear(4) | 2,3
LazyConv2d(4, 3, padding=1) | 2,3,5,5
LazyConvTranspose1d(4, 3) | 2,3,5
LazyBatchNorm1d() | 4,3
LazyInstanceNorm2d() | 2,3,4,4
LazyInstanceNorm1d() | 2,3,4
LazyInstanceNorm3d(track_running_stats=False) | 2,3,4,2,2
LazyBatchNorm2d() | 4,3,2,2
LazyBatchNorm3d(affine=False) | 4,3,2,2,2
LazyConv1d(4, 3) | 2,3,5
LazyConv3d(4, 2) | 1,3,4,4,4
LazyConvTranspose2d(4, 3) | 2,3,5,5
LazyConvTranspose3d(4, 2) | 1,3,3,3,3
MaxUnpool1d(2) | 2,3,4 idx:8:2,3,4
MaxUnpool2d(2) | 1,2,3,3 idx:36:1,2,3,3
MaxUnpool3d(2) | 1,2,2,2,2 idx:64:1,2,2,2,2
Dropout1d(0.3) eval | 2,3,4
Dropout3d(0.3) eval | 2,3,4,4,4
BCELoss() | prob:4,3 bit:4,3
SyncBatchNorm(3) eval | 4,3,2
TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0), 2) | 5,2,8 4,2,8
NLLLoss2d() | 2,3,2,2 int:3:2,2,2
""".strip().splitlines()


def arrays(shapes: str) -> list:
    rng, made = np.random.default_rng(0), []
    for text in shapes.split():
        *kind, shape = text.split(":")
        size = tuple(map(int, shape.split(",")))
        x = rng.normal(size=size).astype(F32)
        if kind and kind[0] == "idx":  # for each channel, places that differ
            each = [rng.permutation(int(kind[1]))[: x[0, 0].size] for _ in range(size[0] * size[1])]
            x = np.array(each).reshape(size)
        elif kind and kind[0] == "int":
            x = rng.integers(0, int(kind[1]), size)
        elif kind:
            x = {"pos": np.abs(x) + F32(0.1), "sign": np.where(x > 0, F32(1), F32(-1)), "bit": (x > 0).astype(F32), "prob": 1 / (1 + np.exp(-x))}[kind[0]]
        made.append(x)
    return made


def numbers(x):
    """Every tensor in what a layer returns."""
    if isinstance(x, tuple | list):
        return [y for one in x for y in numbers(one)]
    return [] if x is None else [x]


def run(lib, how: str, inputs: list, shapes: str):
    lib.manual_seed(3)
    how, _, mode = how.strip().partition(") ")
    how += ")" if mode else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lazy modules, nested tensors, and a loss of two shapes
        layer = eval(f"nn.{how}", {"nn": lib.nn})
        layer.train(mode != "eval")
        told = repr(layer)
        xs = [lib.tensor(x, requires_grad=x.dtype == F32 and ":" not in shape and mode != "values") for x, shape in zip(inputs, shapes.split(), strict=True)]
        before = {k: v.detach().numpy().copy() for k, v in layer.state_dict().items() if type(v).__name__ == "Tensor" and "Lazy" not in how}
        given = [x * 1.0 for x in xs] if "inplace" in how else xs
        outs = numbers(layer(*given))
    rng = np.random.default_rng(1)
    total = 0
    for out in outs:
        if out.requires_grad:
            total = total + (out * lib.tensor(rng.normal(size=tuple(out.shape)).astype(F32))).sum()
    if not isinstance(total, int):
        total.backward()
    grads = {f"input {i}": x.grad for i, x in enumerate(xs)} | {k: p.grad for k, p in layer.named_parameters()}
    after = {k: v.detach().numpy() for k, v in layer.state_dict().items()}
    return {
        "repr": told, "before": before, "outputs": [o.detach().numpy() for o in outs], "after": after,
        "grads": {k: None if g is None else g.numpy() for k, g in grads.items()}, "now": repr(layer),
    }  # fmt: skip


def same(a, b, where=""):
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for k in a:
            same(a[k], b[k], f"{where} {k}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where} {i}")
    elif isinstance(a, np.ndarray):
        assert a.shape == b.shape and a.dtype == b.dtype, where
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5, err_msg=where)
    else:
        assert a == b, where


@pytest.mark.parametrize("case", CASES, ids=[c.split("|")[0].strip() for c in CASES])
def test_layer(case):
    how, shapes = case.split("|")
    inputs = arrays(shapes)
    same(run(funcgrad, how, copy.deepcopy(inputs), shapes), run(torch, how, inputs, shapes))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("flat", [False, True])
def test_ctc(flat, reduction):
    rng = np.random.default_rng(0)
    scores, found = rng.normal(size=(7, 4, 5)).astype(F32), []
    targets, lengths = rng.integers(1, 5, (4, 4)), [4, 2, 0, 3]
    targets[0] = [2, 2, 2, 2]  # needs 7 steps, and has 6: impossible
    for lib in (funcgrad, torch):
        x = lib.tensor(scores, requires_grad=True)
        given = np.concatenate([t[:n] for t, n in zip(targets, lengths, strict=True)]) if flat else targets
        loss = lib.nn.CTCLoss(reduction=reduction, zero_infinity=True)
        out = loss(x.log_softmax(2), lib.tensor(given), lib.tensor([6, 7, 5, 4]), lib.tensor(lengths))
        out.sum().backward()
        found.append((out.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)


def test_every_layer_is_here():
    """What PyTorch has and this does not, by name."""
    theirs = {n for n in dir(torch.nn) if isinstance(getattr(torch.nn, n), type) and issubclass(getattr(torch.nn, n), torch.nn.Module)}
    missing = {n for n in theirs if not hasattr(funcgrad.nn, n)}
    assert missing <= {"Container"}
    tried = " ".join(CASES)
    bases = {"DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "CTCLoss", "RNNBase", "RNNCellBase"}  # tested elsewhere
    assert [n for n in theirs - missing - bases if f"{n}(" not in tried] == []
