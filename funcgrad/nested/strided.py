"""`StridedNestedTensor`: components of any sizes, PyTorch's first layout; every function goes over them one by one."""

from __future__ import annotations

from ..nn import functional as F
from ..tensor import NAMES, Tensor
from ..tensor.tensor import new
from .operators import POINTWISE
from .tensor import TOO_SMALL

T = NAMES["torch"]
# functions whose argument of this name, or at this place, is a dimension, counted with the batch
_DIMS = {"softmax": 1, "log_softmax": 1, "sum": 1, "mean": 1, "unsqueeze": 1, "squeeze": 1, "unflatten": 1, "select": 1,
         "narrow": 1, "chunk": 2, "split": 2}  # fmt: skip
_PLAIN = {"linear", "matmul", "layer_norm", "rms_norm", "embedding", "contiguous"}


class StridedNestedTensor(Tensor):
    """A batch of Tensors of one number of dimensions whose sizes may all differ."""

    _components: tuple[Tensor, ...]
    is_nested, layout = True, "torch.strided"

    @classmethod
    def of(cls, components) -> StridedNestedTensor:
        made = new(cls)
        made._components = tuple(components)
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return apply(func, args, kwargs or {})

    @property
    def shape(self):
        raise RuntimeError("Internal error: NestedTensorImpl doesn't support sizes. Please file an issue.")

    def size(self, dim: int | None = None) -> int:
        if dim is None:
            return self.shape
        dim = dim % self.ndim
        sizes = {len(self._components)} if dim == 0 else {c.shape[dim - 1] for c in self._components}
        if len(sizes) != 1:
            raise RuntimeError(f"Given dimension {dim} is irregular and does not have a size.")
        return sizes.pop()

    @property
    def ndim(self) -> int:
        return 1 + max((c.ndim for c in self._components), default=0)

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return sum(c.numel() for c in self._components)

    @property
    def dtype(self):
        return self._components[0].dtype if self._components else T["tensor"]([]).dtype

    @property
    def requires_grad(self) -> bool:
        return any(c.requires_grad for c in self._components)

    def requires_grad_(self, requires_grad: bool = True):
        for c in self._components:
            c.requires_grad_(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        return all(c.is_leaf for c in self._components)

    @property
    def grad_fn(self):
        return next((c.grad_fn for c in self._components), None)

    @property
    def grad(self):
        found = [c.grad for c in self._components]
        return None if None in found else self.of(found)

    def backward(self, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
        from ..autograd import backward

        given = None if gradient is None else gradient._components
        backward(self._components, given, retain_graph, create_graph, inputs=inputs)

    def values(self) -> Tensor:
        """All numbers in one row."""
        return T["cat"]([c.reshape(-1) for c in self._components])

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The components."""
        if dim % self.ndim:
            raise RuntimeError("NestedTensor can only be unbound along dimension 0")
        return self._components

    def to_padded_tensor(self, padding: float, output_size=None) -> Tensor:
        """A dense Tensor as large as the largest component in each dimension, or `output_size`; `padding` elsewhere."""
        largest = tuple(map(max, zip(*[c.shape for c in self._components], strict=True)))
        wanted = largest if output_size is None else tuple(output_size)[1:]
        if any(n < m for n, m in zip(wanted, largest, strict=True)):
            raise RuntimeError(TOO_SMALL)

        def padded(c):
            more = [n - m for n, m in zip(wanted, c.shape, strict=True)]
            return F.pad(c, [n for m in reversed(more) for n in (0, m)], value=padding)

        return T["stack"]([padded(c) for c in self._components])

    def __len__(self) -> int:
        return len(self._components)

    def __iter__(self):
        return iter(self._components)

    def __repr__(self) -> str:
        lines = ",\n".join("  " + repr(c).replace("\n", "\n  ") for c in self._components)
        return f"nested_tensor([\n{lines}\n])"


def apply(func, args: tuple, kwargs: dict):
    """`func` of each component alone. Raises NotImplementedError where that is not what it means."""
    name = func.__name__
    if name == "__getitem__":
        first, *rest = args[1] if isinstance(args[1], tuple) else (args[1],)
        found = args[0].unbind()[first]
        return found[tuple(rest)] if rest else found
    x = next(a for a in (*args, *kwargs.values()) if isinstance(a, StridedNestedTensor))
    if name == "unbind":
        return x.unbind(*args[1:], **kwargs)
    if name == "transpose":
        args = (x, *[_inner(x, name, d) for d in args[1:]])
    elif name in _DIMS:
        place = _DIMS[name]
        dim = kwargs.pop("dim", None) if "dim" in kwargs else args[place] if len(args) > place else None
        if dim is None:
            if name == "sum":
                return func(x.values(), **kwargs)
            raise NotImplementedError(f"{name}(): not supported for NestedTensor without a dim")
        args = (*args[:place], _inner(x, name, dim), *args[place + 1 :])
    elif name not in _PLAIN and name not in POINTWISE and not (name.endswith("_") and name[:-1] in POINTWISE):
        raise NotImplementedError(f"{name}(): not supported for NestedTensor")
    n = len(x)

    def of(a, i: int):
        if isinstance(a, StridedNestedTensor):
            if len(a) != n:
                raise RuntimeError(f"{name}(): nested tensors of {n} and {len(a)} components do not go together")
            return a._components[i]
        if isinstance(a, Tensor) and name == "matmul" and a.ndim == x.ndim and a.shape[0] == n:
            return a[i]
        return a

    made = [func(*[of(a, i) for a in args], **{k: of(a, i) for k, a in kwargs.items()}) for i in range(n)]
    if made and isinstance(made[0], tuple):
        return tuple(map(StridedNestedTensor.of, zip(*made, strict=True)))
    return x if name.endswith("_") else StridedNestedTensor.of(made)


def _inner(x, name: str, dim) -> int:
    inner = [d % x.ndim - 1 for d in (dim if isinstance(dim, tuple | list) else (dim,))]
    if min(inner) < 0:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on dim=0")
    return inner[0] if not isinstance(dim, tuple | list) else inner
