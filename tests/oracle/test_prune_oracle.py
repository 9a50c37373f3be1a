"""`nn.utils.prune` beside PyTorch's: masks, state dicts, chains of methods, gradients, errors."""

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import funcgrad
import funcgrad.nn.utils.prune


def net(lib):
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(6, 5), lib.nn.ReLU(), lib.nn.Conv1d(2, 4, 2))


def random_twice(lib, p, m):
    p.random_unstructured(m[0], "weight", 0.3)
    p.random_structured(m[0], "weight", 2, dim=1)


def chain(lib, p, m):
    p.l1_unstructured(m[0], "weight", 0.3)
    p.ln_structured(m[0], "weight", 1, n=2, dim=0)
    p.l1_unstructured(m[0], "weight", 4)


def everywhere(lib, p, m):
    p.l1_unstructured(m[2], "weight", 2)
    p.global_unstructured([(m[0], "weight"), (m[2], "weight"), (m[0], "bias")], p.L1Unstructured, amount=0.4)


def scored(lib, p, m):
    scores = lib.arange(30.0).reshape(5, 6)
    p.l1_unstructured(m[0], "weight", 7, importance_scores=scores)
    p.custom_from_mask(m[2], "weight", (lib.arange(16).reshape(4, 2, 2) % 3 > 0))


HOW = {
    "identity": lambda lib, p, m: p.identity(m[0], "weight"),
    "random": random_twice,
    "smallest": lambda lib, p, m: p.l1_unstructured(m[0], "bias", 2),
    "channels": lambda lib, p, m: p.ln_structured(m[2], "weight", 0.5, n=1, dim=0),
    "chain": chain,
    "everywhere": everywhere,
    "scored": scored,
    "none": lambda lib, p, m: p.l1_unstructured(m[0], "weight", 0),
}


@pytest.mark.parametrize("name", HOW)
def test_masks_training_and_removal(name):
    found = []
    for lib in (funcgrad, torch):
        m, p = net(lib), lib.nn.utils.prune
        HOW[name](lib, p, m)
        seen = [sorted(m.state_dict()), p.is_pruned(m), [n for n, _ in m.named_parameters()]]
        x = lib.tensor(np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32))
        loss = m[0](x).pow(2).sum() + m[2](x[:2]).sum()
        loss.backward()
        numbers = [loss.detach().numpy(), *(t.numpy() for t in m.state_dict().values())]
        numbers += [q.grad.numpy() for _, q in sorted(m.named_parameters())]
        hooks = [h for c in (m[0], m[2]) for h in c._forward_pre_hooks.values()]
        seen.append([(type(h).__name__, len(h) if hasattr(h, "__len__") else 0, h._tensor_name) for h in hooks])
        pruned = [(c, h._tensor_name) for c in (m[0], m[2]) for h in c._forward_pre_hooks.values()]
        for layer, param in pruned:
            p.remove(layer, param)
        seen += [sorted(m.state_dict()), p.is_pruned(m)]
        numbers += [t.numpy() for _, t in sorted(m.state_dict().items())]
        found.append((seen, numbers))
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


WRONG = {
    "amount": lambda lib, p: p.l1_unstructured(net(lib)[0], "weight", 1.5),
    "kind of amount": lambda lib, p: p.l1_unstructured(net(lib)[0], "weight", "a"),
    "too many": lambda lib, p: p.l1_unstructured(net(lib)[0], "bias", 6),
    "one dimension": lambda lib, p: p.ln_structured(net(lib)[0], "bias", 1, n=2, dim=0),
    "dimension": lambda lib, p: p.ln_structured(net(lib)[0], "weight", 1, n=2, dim=3),
    "not pruned": lambda lib, p: p.remove(net(lib)[0], "weight"),
    "structured everywhere": lambda lib, p: p.global_unstructured([(net(lib)[0], "weight")], p.LnStructured, amount=1, n=1),
    "mask": lambda lib, p: p.custom_from_mask(net(lib)[0], "weight", lib.ones(2)),
    "scores": lambda lib, p: p.l1_unstructured(net(lib)[0], "weight", 1, importance_scores=lib.ones(2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_leave_the_module_as_it_was(name):
    found = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as error:
            WRONG[name](lib, lib.nn.utils.prune)
        found.append((error.type.__name__, str(error.value).replace("funcgrad", "torch")))
    assert found[0] == found[1]
