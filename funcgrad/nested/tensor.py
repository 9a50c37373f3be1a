"""`NestedTensor`: components of different lengths in one array, in PyTorch's jagged layout.

Its Value is that of all components one after the other, so that autograd, hooks and optimisers treat it as they treat
that; what is done with it goes by the table in `operators`.
"""

from __future__ import annotations

from ..tensor import Tensor
from ..tensor.tensor import Size, leaf_of, new, spec_of, value_of, wrap
from .ragged import NestedInt, Ragged

TOO_SMALL = "Value in output_size is less than NestedTensor padded size. Truncation is not supported."


class NestedTensor(Tensor):
    """A batch of Tensors whose sizes differ in one dimension. Made by `nested_tensor` and its like.

    Its shape has a `j1` where components differ. Raises NotImplementedError for a function that has no meaning here.
    """

    _ragged: Ragged
    _at: int  # the ragged dimension, 1 for the one behind the batch

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        from .operators import apply

        return apply(func, args, kwargs or {})

    # ---- state ----

    is_nested, layout = True, "torch.jagged"

    @property
    def shape(self) -> Size:
        sizes = list(spec_of(self).shape)
        sizes[self._at - 1] = NestedInt(self._ragged)
        return Size((self._ragged.batch, *sizes))

    def size(self, dim: int | None = None):
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        return len(spec_of(self).shape) + 1

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return Size(spec_of(self).shape).numel()

    def stride(self, dim: int | None = None):
        made, n = [], 1
        for size in reversed(self.shape):
            made.append(n)
            n = size * n
        made.reverse()
        return tuple(made) if dim is None else made[dim]

    def is_contiguous(self, memory_format=None) -> bool:
        return self._at == 1

    def values(self) -> Tensor:
        """All components one after the other."""
        return wrap(value_of(self))

    def offsets(self) -> Tensor:
        """Where the components begin and end among the values: B + 1 integers."""
        return self._ragged.offsets

    def lengths(self) -> None:
        """None: there are no holes between the components."""

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The components."""
        if dim % self.ndim:
            raise RuntimeError("unbind(): only supported for NestedTensor on dim=0")
        return tuple(self.values().split(list(self._ragged.lengths), self._at - 1))

    def to_padded_tensor(self, padding: float, output_size=None) -> Tensor:
        """A dense Tensor, `padding` behind the shorter components.

        output_size  larger sizes than needed, for all dimensions
        """
        longest = None if output_size is None else output_size[self._at]
        made = self._ragged.padded(self.values(), self._at - 1, padding, longest)
        if output_size is not None and tuple(made.shape) != tuple(output_size):
            more = [n - m for n, m in zip(output_size, made.shape, strict=True)]
            if any(n < 0 for n in more):
                raise RuntimeError(TOO_SMALL)
            from ..nn.functional import pad

            made = pad(made, [n for m in reversed(more) for n in (0, m)], value=padding)
        return made

    # ---- autograd: of the values ----

    @property
    def grad(self):
        found = Tensor.grad.fget(self)
        return found if found is None or found.is_nested else like(self, found)

    @grad.setter
    def grad(self, g) -> None:
        leaf_of(self).grad = plain(g)

    @grad.deleter
    def grad(self) -> None:
        leaf_of(self).grad = None

    def backward(self, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
        self.values().backward(plain(gradient), retain_graph, create_graph, inputs)

    def register_hook(self, hook):
        return Tensor.register_hook(self, lambda g: plain(hook(like(self, g))))

    # ---- the rest of what a Tensor is ----

    def __len__(self) -> int:
        return self._ragged.batch

    def __iter__(self):
        return iter(self.unbind())

    def __repr__(self) -> str:
        needs = f", requires_grad={self.requires_grad}" if self.requires_grad else ""
        if self.grad_fn is not None:
            needs = f", grad_fn={self.grad_fn}"
        size, whole = tuple(self.shape), self.is_contiguous()
        return f"NestedTensor(size={size}, offsets={self.offsets()}{needs}, contiguous={whole})"

    def item(self):
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return self.values().item()

    def tolist(self):
        """A list for each component."""
        return [t.tolist() for t in self.unbind()]

    def numpy(self, *, force: bool = False):
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            build, parts = self.__reduce_ex__(4)
            memo[id(self)] = build(*parts)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return _rebuild, (self.detach().values(), self._ragged.lengths, self._at, self.requires_grad)


def _rebuild(values, lengths, at: int, requires_grad: bool) -> NestedTensor:
    return jagged(values, Ragged.of_lengths(lengths), at).requires_grad_(requires_grad)


def jagged(values: Tensor, ragged: Ragged, at: int = 1) -> NestedTensor:
    """A NestedTensor of the components in `values`, of which dimension `at - 1` is ragged. It has their history."""
    made = new(NestedTensor)
    made._value = value_of(values)
    made._ragged, made._at = ragged, at
    return made


def like(x: NestedTensor, values: Tensor, at: int | None = None) -> NestedTensor:
    """The components of `x` with other numbers."""
    return jagged(values, x._ragged, at or x._at)


def plain(x):
    """The values of a NestedTensor; anything else as it is."""
    return x.values() if isinstance(x, NestedTensor) else x
