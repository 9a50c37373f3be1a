"""`funcgrad run`: PyTorch programs unedited. Which modules of PyTorch's they may import, and what several processes get."""

import subprocess
import sys
import textwrap

import pytest

import funcgrad as torch

# how public programs import, beside `import torch`
IMPORTS = """
import torch.backends.cudnn as cudnn
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn, torch.nn.functional as F, torch.nn.init as init
import torch.onnx
import torch.optim as optim
import torch.utils.data.distributed
from torch.autograd import Function, Variable
from torch.cuda.amp import GradScaler, autocast
from torch.distributed import destroy_process_group, init_process_group
from torch.distributions.normal import Normal
from torch.functional import einsum
from torch.hub import download_url_to_file, load_state_dict_from_url
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.common_types import _size_2_t
from torch.nn.modules.activation import MultiheadAttention
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import Module
from torch.nn.modules.normalization import LayerNorm
from torch.nn.modules.pixelshuffle import PixelShuffle
from torch.nn.modules.utils import _pair
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import Optimizer
from torch.types import Device, Number
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.data._utils.collate import default_collate
from torch.utils.data.dataloader import DataLoader
from torch.utils.dlpack import from_dlpack, to_dlpack
from torch.utils.model_zoo import load_url
"""


@pytest.fixture
def program(tmp_path):
    """Runs the text of a program by `funcgrad run`; gives what it printed."""

    def running(text: str, *args: str) -> str:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(text))
        command = [sys.executable, "-m", "funcgrad", "run", str(file), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return running


def test_what_programs_import(program):
    lines = IMPORTS.strip().splitlines()
    told = program(f"""
        import sys
        for line in {lines!r}:
            before = [name for name in sys.modules if name.startswith("torch.")]
            for name in before:
                del sys.modules[name]  # each begins anew
            exec(line)
            print(line)
    """)
    assert told.splitlines() == lines


def test_import_gives_the_very_module(program):
    """What is set through one name is seen through the other, and by funcgrad."""
    text = """
        import torch, torch.backends.cudnn as cudnn
        cudnn.benchmark = True
        cudnn.deterministic = True
        assert torch.backends.cudnn.benchmark and cudnn is torch.backends.cudnn
        torch.backends.cudnn.allow_tf32 = False
        torch._dynamo.config.suppress_errors = True
        import funcgrad
        assert funcgrad.backends.cudnn.benchmark and not funcgrad.precision.convolutions_in_tf32
        print(torch.version.cuda)
    """
    assert program(text) == "None\n"


DISTRIBUTED = """
    import os
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel as DDP

    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(rank)
    data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randn(64, 1))
    sampler = torch.utils.data.distributed.DistributedSampler(data)
    loader = torch.utils.data.DataLoader(data, batch_size=16, sampler=sampler)
    net = DDP(torch.nn.Linear(4, 1))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        total = torch.zeros(1)
        for x, y in loader:
            opt.zero_grad()
            with net.no_sync():
                loss = (net(x) - y).pow(2).mean()
                loss.backward()
            opt.step()
            total += loss.detach()
        dist.all_reduce(total, op=dist.ReduceOp.SUM)
        losses.append(total.item() / size)
    seen = [torch.zeros(1) for _ in range(size)]
    dist.all_gather(seen, total)
    dist.barrier()
    print(rank, size, losses[-1] < losses[0], seen[0].item() == losses[-1], list(net.state_dict()))
    dist.destroy_process_group()
"""


def test_a_distributed_program_of_one_process(program):
    assert program(DISTRIBUTED) == "0 1 True True ['module.weight', 'module.bias']\n"
    assert not torch.distributed.is_initialized()


def test_a_group_of_several_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="one process, and this is number 0 of 2.*shard_map"):
        torch.distributed.init_process_group("nccl")
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        torch.distributed.all_reduce(torch.ones(1))
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    torch.distributed.init_process_group("nccl", world_size=1, rank=0)
    try:
        assert torch.distributed.get_backend() == "nccl" and torch.distributed.all_reduce(torch.ones(1), async_op=True).wait()
        with pytest.raises(ValueError, match="twice"):
            torch.distributed.init_process_group("nccl")
        frozen = torch.nn.Linear(1, 1).requires_grad_(False)
        with pytest.raises(RuntimeError, match="doesn't have any parameter that requires a gradient"):
            torch.nn.parallel.DistributedDataParallel(frozen)
    finally:
        torch.distributed.destroy_process_group()


def test_weights_from_an_address(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_dir", str(tmp_path / "hub"))
    source = tmp_path / "weights.pth"
    torch.save({"w": torch.arange(3.0)}, source)
    url = source.as_uri()
    assert torch.hub.load_state_dict_from_url(url, progress=False)["w"].tolist() == [0.0, 1.0, 2.0]
    source.unlink()  # from now on from disk
    assert torch.hub.load_state_dict_from_url(url)["w"].tolist() == [0.0, 1.0, 2.0]
    other = tmp_path / "net-0123456789.pth"
    torch.save({}, other)
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.load_state_dict_from_url(other.as_uri(), check_hash=True, progress=False)
    assert [p.name for p in (tmp_path / "hub" / "checkpoints").iterdir()] == ["weights.pth"]


def test_entry_points_of_a_folder(tmp_path):
    (tmp_path / "hubconf.py").write_text('def net(n):\n    """Of n."""\n    return [n]\n')
    assert torch.hub.list(str(tmp_path)) == ["net"] and torch.hub.help(str(tmp_path), "net") == "Of n."
    assert torch.hub.load(str(tmp_path), "net", 3, source="local") == [3]
    with pytest.raises(RuntimeError, match="Cannot find callable other in hubconf"):
        torch.hub.load(str(tmp_path), "other", source="local")
    with pytest.raises(ValueError, match="runs no code that it would have to fetch"):
        torch.hub.load("somebody/something", "net")


def test_arguments_and_version(program):
    text = "import sys, torch\nprint(torch.__version__, sys.argv[1:])"
    assert program(text, "--epochs", "3") == f"{torch.shim.PYTORCH} ['--epochs', '3']\n"


def test_trees():
    tree = {"a": [torch.ones(2), None], "b": (1, "x")}
    from funcgrad.utils import _pytree

    leaves, structure = _pytree.tree_flatten(tree)
    assert leaves[1:] == [None, 1, "x"] and _pytree.tree_unflatten(leaves, structure) == tree
    assert _pytree.tree_map(lambda x: x is None, tree)["a"] == [False, True]
    assert _pytree.tree_map(len, tree, is_leaf=lambda x: isinstance(x, list | tuple)) == {"a": 2, "b": 2}
    assert _pytree.tree_map_only(int, lambda x: x + 1, tree)["b"] == (2, "x")
    assert _pytree.tree_any(lambda x: x == "x", tree["b"]) and not _pytree.tree_all(lambda x: x == "x", tree["b"])
