"""Fourteen training programs, a few steps of each under PyTorch and under funcgrad from the same seed; and scripts that
are run as files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from programs_to_train import NEAR, PROGRAMS

import funcgrad


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses(name):
    found = []
    for lib in (funcgrad, torch):
        lib.manual_seed(0)
        found.append([float(x.detach()) for x in PROGRAMS[name](lib)])
    mine, theirs = found
    assert len(mine) == len(theirs) > 1
    near = NEAR.get(name, 1e-4)
    np.testing.assert_allclose(mine[0], theirs[0], rtol=min(near, 1e-2), err_msg="the first loss")
    np.testing.assert_allclose(mine, theirs, rtol=near, atol=near)


SCRIPT = """
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset
from torch.nn.utils.rnn import pad_sequence
from torch.nn.modules.utils import _pair
from einops import rearrange

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
args = parser.parse_args()
torch.manual_seed(args.epochs)
torch.backends.cudnn.benchmark = True
device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, _pair(3)), nn.Linear(100, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.fc(rearrange(x, "b c h w -> b (c h w)"))

model = torch.compile(Net().to(device))
opt = optim.Adadelta(model.parameters(), lr=1.0)
schedule = StepLR(opt, step_size=1, gamma=0.7)
x, y = torch.randn(32, 1, 12, 12), torch.randint(0, 3, (32,))
for epoch in range(args.epochs):
    for i, (a, b) in enumerate(DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)):
        opt.zero_grad()
        loss = F.cross_entropy(model(a.to(device)), b.to(device))
        loss.backward()
        opt.step()
        print(epoch, i, f"{loss.item():.4f}")
    schedule.step()
print(f"{loss:.3f}", pad_sequence([torch.ones(2), torch.ones(1)]).tolist(), "2.13" in torch.__version__)
if __name__ == "__main__":
    torch.save(model.state_dict(), "model.pt")
"""


def ran(tmp_path, *command):
    home = str(Path(funcgrad.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": home, "TORCHDYNAMO_DISABLE": "1", "JAX_PLATFORMS": "cpu"}
    return subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)


def test_a_script_prints_the_same_under_both(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    theirs = ran(tmp_path, "train.py", "--epochs", "2")
    mine = ran(tmp_path, "-m", "funcgrad", "run", "--stats", "train.py", "--epochs", "2")
    assert mine.returncode == theirs.returncode == 0, mine.stderr + theirs.stderr
    assert mine.stdout == theirs.stdout and len(mine.stdout.splitlines()) == 9
    # a step, and what is printed at the end
    assert "8 optimizer steps" in mine.stderr and "2 programs compiled" in mine.stderr
    longer = ran(tmp_path, "-m", "funcgrad", "run", "--stats", "train.py", "--epochs", "5")
    assert "20 optimizer steps" in longer.stderr and "2 programs compiled" in longer.stderr
    # as PyTorch names them unless its compiler is disabled, as it is above
    names = {f"_orig_mod.{name}" for name in ("conv.weight", "conv.bias", "fc.weight", "fc.bias")}
    assert set(torch.load(tmp_path / "model.pt")) == names
