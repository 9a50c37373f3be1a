"""`torch` by another name: inside a program that was started with it, `import torch` and all below it give funcgrad.

Knows the names alone, and nothing of what they stand for: modules are imported when somebody asks for them.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types

__all__ = ["install", "installed", "uninstall"]

PYTORCH = "2.13.0+funcgrad"  # whose behaviour this follows

# modules of PyTorch that stand elsewhere here
ELSEWHERE = {
    "torch.nn.modules.lazy": "funcgrad.nn.lazy",
    "torch.nn.parallel.distributed": "funcgrad.nn.parallel",
    "torch.optim.adamw": "funcgrad.optim.adam",
    "torch.optim.nadam": "funcgrad.optim.adam",
    "torch.optim.radam": "funcgrad.optim.adam",
    "torch.optim.adamax": "funcgrad.optim.adam",
    "torch.optim.adagrad": "funcgrad.optim.adaptive",
    "torch.optim.adadelta": "funcgrad.optim.adaptive",
    "torch.optim.rmsprop": "funcgrad.optim.adaptive",
    "torch.optim.rprop": "funcgrad.optim.adaptive",
    "torch.optim.asgd": "funcgrad.optim.sgd",
    "torch.cuda.random": "funcgrad.cuda",
    "torch.cuda.amp.grad_scaler": "funcgrad.amp.grad_scaler",
    "torch.cuda.amp.autocast_mode": "funcgrad.amp.autocast",
    "torch.amp.autocast_mode": "funcgrad.amp.autocast",
    "torch.utils.data.dataset": "funcgrad.utils.data.dataset",
    "torch.utils.data.dataloader": "funcgrad.utils.data.loader",
    "torch.utils.data.sampler": "funcgrad.utils.data.sampler",
    "torch.utils.data._utils": "funcgrad.utils.data",
    "torch.utils.data._utils.collate": "funcgrad.utils.data.collate",
    "torch.utils.model_zoo": "funcgrad.hub",
    "torch.utils.tensorboard": "tensorboardX",
    "torch.functional": "funcgrad",
}
# each of PyTorch's distributions has a file of its own
ELSEWHERE.update(dict.fromkeys(map("torch.distributions.{}".format, (
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "continuous_bernoulli", "dirichlet", "exp_family",
    "exponential", "fishersnedecor", "gamma", "generalized_pareto", "geometric", "gumbel", "half_cauchy", "half_normal",
    "independent", "inverse_gamma", "kumaraswamy", "laplace", "lkj_cholesky", "log_normal", "logistic_normal",
    "lowrank_multivariate_normal", "mixture_same_family", "multinomial", "multivariate_normal", "negative_binomial",
    "normal", "one_hot_categorical", "pareto", "poisson", "relaxed_bernoulli", "relaxed_categorical", "studentT",
    "transformed_distribution", "uniform", "von_mises", "weibull", "wishart",
)), "funcgrad.distributions"))  # fmt: skip


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch` and what is below it among funcgrad's modules."""

    def find_spec(self, name: str, path=None, target=None):
        if name != "torch" and not name.startswith("torch."):
            return None
        if name != "torch" and self._module(name) is None:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _module(self, name: str):
        """What stands for a module of PyTorch's; None if there is no such thing."""
        real = ELSEWHERE.get(name, name.replace("torch", "funcgrad", 1))
        try:
            return importlib.import_module(real)
        except ModuleNotFoundError as error:
            if error.name and not real.startswith(error.name):
                raise
        parent, _, last = name.rpartition(".")
        found = getattr(importlib.import_module(parent), last, None)
        return found if isinstance(found, types.ModuleType) else None

    def create_module(self, spec):
        if spec.name == "torch":
            return _Torch("torch")
        made = self._module(spec.name)
        self._kept = (made, made.__spec__)
        return made

    def exec_module(self, module) -> None:
        if not isinstance(module, _Torch):
            kept, spec = self._kept
            kept.__spec__ = spec  # the module has a name of its own, and keeps it


class _Torch(types.ModuleType):
    """funcgrad, with the version that a program asks `torch` for."""

    __version__ = PYTORCH
    __path__ = ()

    def __getattr__(self, name: str):
        return getattr(sys.modules[__package__], name)

    def __setattr__(self, name: str, value) -> None:
        if name.startswith("__"):
            types.ModuleType.__setattr__(self, name, value)
        else:
            setattr(sys.modules[__package__], name, value)

    def __dir__(self):
        return dir(sys.modules[__package__])


_finder = _Finder()


def install() -> None:
    """From now on `import torch` gives funcgrad. Raises RuntimeError if PyTorch has been imported already."""
    if installed():
        return
    if "torch" in sys.modules:
        raise RuntimeError("torch has been imported already; funcgrad can only stand for it before that")
    sys.meta_path.insert(0, _finder)


def installed() -> bool:
    """Whether `torch` is funcgrad here."""
    return _finder in sys.meta_path


def uninstall() -> None:
    """`import torch` means PyTorch again."""
    if installed():
        sys.meta_path.remove(_finder)
        for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
            del sys.modules[name]
