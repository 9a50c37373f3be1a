"""Files: what is read back, what is refused, and that nothing is lost when writing is interrupted."""

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.io import get_unsafe_globals_in_checkpoint as unsafe
from funcgrad.io import load, safe_globals, save


def again(x):
    buffer = io.BytesIO()
    save(x, buffer)
    buffer.seek(0)
    return load(buffer)


@pytest.mark.parametrize("dtype", "float16 float32 float64 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())
def test_every_dtype(dtype):
    x = torch.tensor([[1, 0], [3, 2]]).to(getattr(torch, dtype))
    for t in (x, x[1, 1], x[:0], x.t()):
        found = again(t)
        assert found.dtype is t.dtype and found.shape == t.shape and found.tolist() == t.tolist()


def test_containers_and_numbers():
    kept = {
        "a": [1, 2.5, True, None, "ü", b"x", 1j, 2**70], ("t", 1): {1, 2}, "o": OrderedDict(b=1, a=2), "d": defaultdict(int, x=1),
        "c": Counter("aab"), "size": torch.Size([2, 3]), "dtype": torch.float16, "device": torch.device("cpu"), "nested": [({"x": ()},)],
    }  # fmt: skip
    found = again(kept)
    assert found == kept and [type(v) for v in found.values()] == [type(v) for v in kept.values()]


def test_parameters_and_gradients_wanted():
    p = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    x = torch.ones(2, requires_grad=True)
    found = again({"p": p, "x": x, "y": x * 2})
    assert type(found["p"]) is torch.nn.Parameter and not found["p"].requires_grad
    assert found["x"].requires_grad and found["y"].is_leaf and found["y"].tolist() == [2, 2]


def test_tied_weights_stay_tied_and_are_written_once():
    layer = torch.nn.Linear(20, 20, bias=False)
    both = torch.nn.ModuleList([layer, torch.nn.Linear(20, 20, bias=False)])
    both[1].weight = layer.weight
    buffer = io.BytesIO()
    save(both.state_dict(), buffer)
    assert len(buffer.getvalue()) < 2 * 1600
    buffer.seek(0)
    state = load(buffer)
    with torch.no_grad():
        state["0.weight"].zero_()
    assert state["1.weight"].abs().sum().item() == 0


def test_saving_many_tensors_makes_one_run():
    tensors = {str(i): torch.ones(3) * i for i in range(10)}
    torch.sync()
    tensors = {k: t + 1 for k, t in tensors.items()}
    before = torch.tape.stats.runs
    save(tensors, io.BytesIO())
    assert torch.tape.stats.runs == before + 1


def test_a_network_and_its_optimizer_go_on_where_they_were(tmp_path):
    def build():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
        return net, torch.optim.Adam(net.parameters(), lr=0.1)

    def train(net, opt, steps):
        for _ in range(steps):
            opt.zero_grad()
            net(torch.ones(2, 3) * torch.arange(2.0).unsqueeze(1)).square().sum().backward()
            opt.step()
        return [p.tolist() for p in net.state_dict().values()]

    net, opt = build()
    train(net, opt, 3)
    save({"net": net.state_dict(), "opt": opt.state_dict()}, tmp_path / "c.pt")
    wanted = train(net, opt, 3)
    net, opt = build()
    kept = load(tmp_path / "c.pt")
    net.load_state_dict(kept["net"])
    opt.load_state_dict(kept["opt"])
    assert train(net, opt, 3) == wanted


# ---- what is refused -----------------------------------------------------------------------------------


class Evil:
    """A pickle of it does what it is told when it is read."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def archive(text: bytes, **entries) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z:
        z.writestr("a/data.pkl", text)
        for name, data in entries.items():
            z.writestr("a/" + name.replace("__", "/"), data)
    made.seek(0)
    return made


def harmful(mark):
    """Pickles that write to the file `mark` when they are simply unpickled."""
    write = f"__import__('pathlib').Path({str(mark)!r}).write_text('x')"
    yield "eval", pickle.dumps(Evil(eval, (write,)))
    yield "exec", pickle.dumps(Evil(exec, (write,)), 2)
    yield "os.system", pickle.dumps(Evil(os.system, (f"echo x > {mark}",)))
    yield "nested", pickle.dumps({"state": [1, (Evil(eval, (write,)),)]})
    yield "getattr", pickle.dumps(Evil(__import__("builtins").eval, (write,)), 0)
    yield "partial", pickle.dumps(Evil(__import__("functools").partial(eval, write), ()))
    yield "build", b"\x80\x02cbuiltins\neval\n" + pickle.dumps(write, 2)[2:-1] + b"\x85R."
    yield "stack global", b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93" + pickle.dumps(write, 2)[2:-1] + b"\x85R."
    yield "import", pickle.dumps(Evil(__import__("importlib").import_module, ("antigravity",)))
    yield "instance", b"(S'" + write.replace("'", '"').encode() + b"'\nibuiltins\neval\n."


def test_a_file_that_would_execute_something_is_refused(tmp_path):
    mark, tried = tmp_path / "mark", 0
    for name, text in harmful(mark):
        if name != "import":
            pickle.loads(text)
            assert mark.exists(), f"{name} does no harm, so that refusing it shows nothing"
            mark.unlink()
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            load(archive(text))
        assert not mark.exists(), name
        tried += 1
    assert tried == 10


def _tensor(storage="FloatStorage", key="0", count=4, offset=0, size=(4,), stride=(1,)):
    """The pickle of a tensor that says this of itself."""
    from funcgrad.io.names import Named
    from funcgrad.io.writer import _REBUILD, _Empty, _Pickler

    class Pickler(_Pickler):
        def persistent_id(self, x):
            return ("storage", Named("torch", storage), key, "cpu", count) if x is MARK else None

    class Tensor:
        def __reduce__(self):
            return _REBUILD, (MARK, offset, size, stride, False, _Empty())

    made = io.BytesIO()
    Pickler(made).dump(Tensor())
    return made.getvalue()


MARK = "the storage"


def test_a_tensor_lies_in_its_storage():
    data = np.arange(4, dtype=np.float32).tobytes()
    assert load(archive(_tensor(), data__0=data)).tolist() == [0, 1, 2, 3]
    for wrong in (
        {"size": (5,)}, {"offset": 1}, {"size": (2, 3), "stride": (2, 1)}, {"offset": -1}, {"stride": (-1,)},
        {"count": 5}, {"count": 3}, {"count": 10**12}, {"key": "../0"}, {"key": "7"}, {"storage": "OrderedDict"}, {"count": 4.0},
    ):  # fmt: skip
        with pytest.raises(pickle.UnpicklingError):
            load(archive(_tensor(**wrong), data__0=data))


def test_other_files_are_refused():
    for data in (b"not a file", pickle.dumps([1, 2]), b"PK\x03\x04rest"):
        with pytest.raises(RuntimeError):
            load(io.BytesIO(data))
    with pytest.raises(EOFError):
        load(io.BytesIO(b""))
    with pytest.raises(FileNotFoundError):
        load("no such file")
    with pytest.raises(RuntimeError, match="Parent directory"):
        save({}, "/no/such/folder/x.pt")


class Config:
    """A class of the user's own."""

    def __init__(self, width):
        self.width = width


def test_what_has_been_allowed_is_read(tmp_path):
    save({"config": Config(3)}, tmp_path / "c.pt")
    with pytest.raises(pickle.UnpicklingError, match="Config was not an allowed global"):
        load(tmp_path / "c.pt")
    assert unsafe(tmp_path / "c.pt") == ["test_io.Config"]
    with safe_globals([Config]):
        assert load(tmp_path / "c.pt")["config"].width == 3
    assert load(tmp_path / "c.pt", weights_only=False)["config"].width == 3


def test_a_whole_network_can_be_trusted(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    save(net, tmp_path / "n.pt")
    found = load(tmp_path / "n.pt", weights_only=False)
    x = torch.ones(1, 2)
    assert repr(found) == repr(net) and found(x).tolist() == net(x).tolist()


# ---- interrupted ---------------------------------------------------------------------------------------


class Breaks:
    def __reduce__(self):
        raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.pt"
    save({"x": torch.ones(2)}, path)
    with pytest.raises(KeyboardInterrupt):
        save({"x": torch.zeros(2), "y": Breaks()}, path)
    assert load(path)["x"].tolist() == [1, 1] and os.listdir(tmp_path) == ["c.pt"]


def test_a_process_that_is_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.pt"
    save({"x": torch.ones(2)}, path)
    code = (
        "import os, sys, zipfile, funcgrad as torch\n"
        "from funcgrad.io import save\n"
        "write = zipfile.ZipFile.writestr\n"
        "def killed(self, info, data):\n"
        "    write(self, info, data)\n"
        "    if info.filename.endswith('data/0'): self.fp.flush(); os.kill(os.getpid(), 9)\n"
        "zipfile.ZipFile.writestr = killed\n"
        f"save({{'x': torch.zeros(1000)}}, {str(path)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}, timeout=120)
    assert done.returncode == -9
    assert load(path)["x"].tolist() == [1, 1]


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    from funcgrad.io import safetensors

    tensors = {"a": torch.arange(6).reshape(2, 3).t(), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(True)}
    safetensors.save_file(tensors, tmp_path / "t.safetensors", {"of": "test"})
    found = safetensors.load_file(tmp_path / "t.safetensors")
    assert {k: (v.dtype, v.tolist()) for k, v in found.items()} == {k: (v.dtype, v.tolist()) for k, v in tensors.items()}
    with pytest.raises(ValueError, match="no dtype for"):
        safetensors.save({"x": torch.ones(1, dtype=torch.complex128)})
