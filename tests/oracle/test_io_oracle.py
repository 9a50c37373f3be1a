"""Files that PyTorch writes and this reads, and the other way round."""

import io

import numpy as np
import pytest
import torch

import funcgrad
from funcgrad.io import load, save

DTYPES = "float16 float32 float64 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()


def contents(lib):
    lib.manual_seed(0)
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.LSTM(4, 2))
    opt = lib.optim.AdamW(net.parameters(), lr=0.1, amsgrad=True)
    for p in net.parameters():
        p.grad = lib.ones_like(p)
    opt.step()
    opt.step()
    x = lib.arange(12.0).reshape(3, 4)
    return {
        "net": net.state_dict(), "opt": opt.state_dict(), "views": [x, x.t(), x[1:, ::2], x[0, 0], x[:0]],
        "dtypes": {d: lib.tensor([1, 0, 3]).to(getattr(lib, d)) for d in DTYPES},
        "parameter": lib.nn.Parameter(lib.ones(2), requires_grad=False), "wants": lib.ones(2, requires_grad=True),
        "buffer": lib.nn.Buffer(lib.ones(1)), "size": x.shape, "dtype": lib.bfloat16, "device": lib.device("cpu"),
        "plain": [1, 2.5, None, True, "text", b"bytes", (1, (2,)), {"a": {3}}],
    }  # fmt: skip


def same(a, b, where="it"):
    if hasattr(a, "requires_grad"):
        assert type(a).__name__ == type(b).__name__ and str(a.dtype) == str(b.dtype), where
        assert a.requires_grad == b.requires_grad and tuple(a.shape) == tuple(b.shape), where
        x, y = (t.detach().to(lib.float32) if t.dtype is lib.bfloat16 else t.detach() for t, lib in ((a, _of(a)), (b, _of(b))))
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, err_msg=where)
    elif isinstance(a, dict):
        assert type(a).__name__ == type(b).__name__ and list(a) == list(b), where
        for k in a:
            same(a[k], b[k], f"{where}[{k!r}]")
    elif isinstance(a, list | tuple) and type(a).__name__ != "Size":
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{i}]")
    else:
        assert a == b or str(a) == str(b), where


def _of(t):
    return torch if isinstance(t, torch.Tensor) else funcgrad


def test_pytorch_reads_what_is_written_here(tmp_path):
    save(contents(funcgrad), tmp_path / "f.pt")
    found = torch.load(tmp_path / "f.pt")
    same(found, contents(torch))
    steps = [s["step"] for s in found["opt"]["state"].values()]
    assert len({s.data_ptr() for s in steps}) == len(steps), "PyTorch counts each in place"
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 2))
    assert str(net.load_state_dict(found["net"])) == "<All keys matched successfully>"
    opt = torch.optim.AdamW(net.parameters())
    opt.load_state_dict(found["opt"])


@pytest.mark.parametrize("archive", [True, False])
def test_what_pytorch_writes_is_read_here(archive, tmp_path):
    kept = contents(torch)
    if not archive:  # the older format has no storages of these
        kept["dtypes"] = {d: t for d, t in kept["dtypes"].items() if d not in ("uint16", "uint32", "uint64")}
    torch.save(kept, tmp_path / "t.pt", _use_new_zipfile_serialization=archive)
    found = load(tmp_path / "t.pt")
    same(found, kept)
    assert found["net"]._metadata == kept["net"]._metadata


def test_a_whole_network_of_pytorchs_becomes_ours():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.LayerNorm(4), torch.nn.Conv1d(1, 2, 3))
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    found = load(buffer, weights_only=False)
    x = np.ones((2, 1, 3), np.float32)
    assert repr(found) == repr(net)
    np.testing.assert_allclose(found(funcgrad.tensor(x)).detach().numpy(), net(torch.tensor(x)).detach().numpy(), rtol=1e-5)


def test_what_pytorch_refuses_is_refused():
    buffer = io.BytesIO()
    torch.save(torch.nn.Linear(1, 1), buffer)
    said = []
    for read in (load, torch.load):
        buffer.seek(0)
        with pytest.raises(Exception) as caught:
            read(buffer)
        said.append((type(caught.value).__mro__[-4:], "GLOBAL torch.nn.modules.linear.Linear was not an allowed global" in str(caught.value)))
    assert said[0] == said[1] and said[0][1]
