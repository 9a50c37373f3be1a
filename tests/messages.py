"""What PyTorch 2.13 says when autograd is misused: a snippet for each message, its class, its stable words.

`test_messages` runs them here, `oracle/test_messages_oracle` on PyTorch.
"""

import warnings

SET_UP = """
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
s = torch.tensor(2.0, requires_grad=True)
plain = torch.ones(3)
ag = torch.autograd
class Bad(ag.Function):
    forward = staticmethod(lambda ctx, x, k=2: x * k)
    backward = staticmethod(lambda ctx, g: Bad.returns)
class Nothing(ag.Function):
    pass
class Half(ag.Function):
    forward = staticmethod(lambda ctx, x: x * 1)
class Numbers(ag.Function):
    forward = staticmethod(lambda ctx, x: ctx.save_for_backward(3))
class Saves(ag.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    backward = staticmethod(lambda ctx, g: 2 * g * ctx.saved_tensors[0])
class Dirty(ag.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)
class Unreturned(ag.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x + 1
def returns(value):
    Bad.returns = value
    Bad.apply(x, 2).sum().backward()
def twice(y):
    y.backward()
    y.backward()
"""

R, T, V, N = RuntimeError, TypeError, ValueError, NotImplementedError

# (the message's number, code, class, words)
MESSAGES = [
    ("A1", "plain.sum().backward()", R, "element 0 of tensors does not require grad and does not have a grad_fn"),
    ("A2", "(x * 2).backward()", R, "grad can be implicitly created only for scalar outputs"),
    ("A3", "twice((x * x).sum())", R, "Trying to backward through the graph a second time"),
    ("A3d", "y = x.exp(); y.sum().backward(); y.grad_fn._saved_result", R, "Trying to backward through the graph a second time"),
    ("A4", "(x * 2).backward(torch.ones(4))", R, "Mismatch in shape: grad_output[0] has a shape of torch.Size([4])"),
    ("A4c", "(x * 2).backward(torch.ones(3, dtype=torch.complex64))", R, "both grad_output and output are required to have the same dtype"),
    ("A4d", "ag.backward([x * 2], [3.0])", T, "gradients can be either Tensors or None, but got float"),
    ("A4e", "ag.backward([s * 2, s * 3], [torch.ones(())])", R, "got 2 tensors and 1 gradients"),
    ("A5", "(s * 1j).backward()", R, "grad can be implicitly created only for real scalar outputs but got torch.complex64"),
    ("A6", "ag.grad((x * 2).sum(), [x, s])", R, "The differentiated Tensor at index 1 appears to not have been used in the graph"),
    ("A6d", "ag.grad(s * 2, s, allow_unused=False, materialize_grads=True)", V, "Expected allow_unused to be True or not passed"),
    ("A7", "ag.grad(s * 2, plain)", R, "One of the differentiated Tensors does not require grad"),
    ("A8", "ag.grad(s * 2, [])", R, "`inputs` argument to `grad()` cannot be empty."),
    ("A8b", "(s * 2).backward(inputs=[])", R, "`inputs` argument to `backward()` cannot be empty."),
    ("A12", "(x * 2).grad", UserWarning, "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed."),
    ("A16", "(s * s).backward(create_graph=True)", UserWarning, "Using backward() with create_graph=True will create a reference cycle"),
    ("A17", "x.grad = torch.ones(4)", R, "attempting to assign a gradient of size '[4]' to a tensor of size '[3]'."),
    ("A17b", "x.grad = plain.double()", R, "attempting to assign a gradient with dtype 'double' to a tensor with grad_dtype 'Float'."),
    ("A17c", "x.grad = 1", T, "assigned grad expected to be a Tensor or None but got grad of type int"),
    ("A17d", "x.grad = x", R, "can't assign Variable as its own grad"),
    ("A18", "torch.tensor([1, 2], requires_grad=True)", R, "Only Tensors of floating point and complex dtype can require gradients"),
    ("A18b", "torch.tensor([1, 2]).requires_grad_()", R, "only Tensors of floating point dtype can require gradients"),
    ("A19b", "(x * 2).requires_grad_(False)", R, "you can only change requires_grad flags of leaf variables."),
    ("A20", "x.numpy()", R, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
    ("A20d", "float(s)", UserWarning, "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior."),
    ("A20e", "float(plain)", (V, R), "only one element tensors can be converted to Python scalars"),
    ("A20f", "plain.item()", R, "a Tensor with 3 elements cannot be converted to Scalar"),
    ("A20g", "bool(plain)", R, "Boolean value of Tensor with more than one value is ambiguous"),
    ("A21", "import copy; copy.deepcopy(x * 2)", R, "Only Tensors created explicitly by the user"),
    ("A22", "torch.tensor(plain)", UserWarning, "To copy construct from a tensor, it is recommended to use"),
    ("A26", "(x * 2)[0].detach_()", R, "Can't detach views in-place. Use detach() instead."),
    ("A29b", "plain.retain_grad()", R, "can't retain_grad on Tensor that has requires_grad=False"),
    ("A31", "len(s)", T, "len() of a 0-d tensor"),
    ("A31b", "iter(s)", T, "iteration over a 0-d tensor"),
    ("B1", "x.add_(1)", R, "a leaf Variable that requires grad is being used in an in-place operation."),
    ("B1b", "x[0] = 1", R, "a view of a leaf Variable that requires grad is being used in an in-place operation."),
    ("B1b", "x[:1].unsqueeze_(0)", R, "a view of a leaf Variable that requires grad is being used in an in-place operation."),
    ("B1b", "x.view(-1).t_()", R, "a view of a leaf Variable that requires grad is being used in an in-place operation."),
    ("B5", "(x * 1).unbind()[0].add_(1)", R, "is a view and is being modified inplace."),
    ("B8", "torch.add(x, 1, out=plain)", R, "add(): functions with out=... arguments don't support automatic differentiation"),
    ("B8c", "torch.add(plain, 1, out=torch.ones(2))", UserWarning, "An output with one or more elements was resized since it had shape [2]"),
    ("B9", "torch.ones(2, dtype=torch.long).add_(1.5)", R, "result type Float can't be cast to the desired output type Long"),
    ("B9b", "torch.ones(3).add_(torch.ones(2, 3))", R, "output with shape [3] doesn't match the broadcast shape [2, 3]"),
    ("B10", "torch.ones(1).expand(3).add_(1)", R, "more than one element of the written-to tensor refers to a single memory location"),
    ("B11a", "torch.ones(2, 3)[0, ..., 7]", IndexError, "index 7 is out of bounds for dimension 2 with size 3"),
    ("B11b", "torch.ones(2, 3).view(7)", R, "shape '[7]' is invalid for input of size 6"),
    ("B18b", "Dirty.apply(x)", R, "a leaf Variable that requires grad has been used in an in-place operation."),
    ("B18c", "Unreturned.apply(x * 1)", R, "Some elements marked as dirty during the forward method were not returned as output."),
    ("C1", "import warnings; warnings.simplefilter('ignore'); Half()(x)", R, "Legacy autograd function with non-static forward method is deprecated."),
    ("C3", "returns((torch.ones(3), None, torch.ones(3)))", R, "function BadBackward returned an incorrect number of gradients (expected 2, got 3)"),
    ("C3b", "returns((torch.ones(3),))", R, "function BadBackward returned an incorrect number of gradients (expected 2, got 1)"),
    ("C3c", "returns((torch.ones(7), None))", R, "Function BadBackward returned an invalid gradient at index 0 - got [7] but expected shape compatible with [3]"),
    ("C3d", "returns((torch.ones(3), 1))", R, "returned a gradient different than None at position 2, but the corresponding forward input was not a Variable"),
    ("C3e", "returns((1.0, None))", R, "expected Variable or None (got float)"),
    ("C5", "Half.apply(x).sum().backward()", N, "You must implement either the backward or vjp method for your custom autograd.Function"),
    ("C5b", "Nothing.apply(x)", N, "You must implement the forward function for custom autograd.Function."),
    ("C6", "y = Saves.apply(x); y.sum().backward(); y.grad_fn.saved_tensors", R, "Trying to backward through the graph a second time"),
    ("C6c", "Numbers.apply(x)", T, "save_for_backward can only save variables, but argument 0 is of type int"),
    ("C15", "y = x * 1; y.register_hook(lambda g: 1 / 0); y.sum().backward()", ZeroDivisionError, "division by zero"),
    ("E1b", "plain.register_hook(print)", R, "cannot register a hook on a tensor that doesn't require gradient"),
    ("E1c", "x.register_hook(lambda g: 5); (x * 2).sum().backward()", T, "expected Variable, but hook returned 'int'"),
    ("E1d", "x.register_hook(lambda g: g.sum()); (x * 2).sum().backward()", R, "hook '<lambda>' has changed the size of value"),
    ("E2b", "(x * 2).register_post_accumulate_grad_hook(print)", R, "post accumulate grad hooks cannot be registered on non-leaf tensors"),
    ("E2c", "plain.register_post_accumulate_grad_hook(print)", R, "cannot register a hook on a tensor that doesn't require gradient"),
    ("E3b", "y = x * x; y.grad_fn.register_hook(lambda i, o: (None,)); y.sum().backward()", R, "has returned an incorrect number of values (got 1, but expected 2)"),
    ("E4b", "ag.graph.register_multi_grad_hook((x,), print, mode='x')", V, "Expects mode to be one of ('all', 'any') but got x"),
    ("E5b", "ag.Variable._execution_engine.queue_callback(print)", R, "Final callbacks can only be installed during backward pass."),
    ("E8b", "ag.graph.get_gradient_edge(plain)", R, "It is not possible to get the gradient edge for a Tensor that does not require gradients"),
    ("E8d", "ag.backward(ag.graph.get_gradient_edge(x * 2))", R, "grad can be implicitly created only for scalar outputs"),
    ("F1b", "with ag.graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):\n    (x * 2).exp()", R, "A saved tensor pack hook is modifying its input in place."),
    ("F1c", "with ag.graph.saved_tensors_hooks(lambda t: 3, lambda t: t):\n    y = x.exp()\ny.sum().backward()", T, "Output of saved tensor unpack_hook expected to be a Tensor but got result of type int"),
    ("F2b", "y = x.exp(); r = y.grad_fn._raw_saved_result; r.register_hooks(lambda t: t, lambda t: t); r.register_hooks(lambda t: t, lambda t: t)", R, "Calling register_hooks on a saved tensor whose hooks have already been set."),
    ("F2c", "y = x.exp(); r = y.grad_fn._raw_saved_result; y.sum().backward(); r.register_hooks(lambda t: t, lambda t: t)", R, "Calling register_hooks on a saved tensor after it has been freed."),
    ("F4", "with ag.graph.disable_saved_tensors_hooks('no hooks here'), ag.graph.saved_tensors_hooks(lambda t: t, lambda t: t):\n    pass", R, "no hooks here"),
    ("G1b", "ag.forward_ad.make_dual(plain, plain)", R, "Trying to create a dual Tensor for forward AD but no level exists"),
    ("G1c", "with ag.forward_ad.dual_level(), ag.forward_ad.dual_level():\n    pass", R, "Nested forward mode AD is not supported at the moment"),
    ("G1e", "with ag.forward_ad.dual_level():\n    ag.forward_ad.make_dual(plain, torch.ones(4))", R, "Trying to set a forward gradient that has a different size than that of the original Tensor"),
    ("G1g", "with ag.forward_ad.dual_level():\n    ag.forward_ad.make_dual(ag.forward_ad.make_dual(plain, plain), plain)", R, "already has a forward gradient at the same level 0 is not supported"),
    ("G1h", "with ag.forward_ad.dual_level():\n    ag.forward_ad.make_dual(torch.tensor([1]), torch.ones(1))", V, "Expected primal to be floating point or complex, but got: torch.int64"),
    ("C10", "with ag.forward_ad.dual_level():\n    Half.apply(ag.forward_ad.make_dual(plain, plain))", N, "You must implement the jvp function for custom autograd.Function"),
    ("I5", "ag.gradcheck(lambda x: x, plain.double())", V, "gradcheck expects at least one input tensor to require gradient"),
    ("D1b", "with torch.no_grad():\n    y = x[0]\ny.add_(1)", R, "A view was created in no_grad mode and is being modified inplace with grad mode enabled."),
]  # fmt: skip

def said(code: str, torch) -> tuple[type, str]:
    """(class, words) of what the code raises or warns of."""
    space = {"torch": torch}
    with warnings.catch_warnings(record=True) as warned:
        exec(SET_UP, space)
        warnings.simplefilter("always")
        try:
            exec(code, space)
        except Exception as error:
            return type(error), str(error)
    return (warned[-1].category, str(warned[-1].message)) if warned else (type(None), "nothing")
