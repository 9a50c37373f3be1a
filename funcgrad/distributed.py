"""Floor 6. `torch.distributed` of a group of one: funcgrad is one process that XLA's devices belong to.

A program that is started as one of one (by hand, or by a launcher with one worker) initialises, reduces and waits as
always; each collective gives what it gives in a group of one. More processes are refused where the group is made.
"""

from __future__ import annotations

import os
from enum import Enum

from .engine import no_grad
from .tensor import Tensor

__all__ = [
    "ReduceOp", "Work", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "barrier",
    "broadcast", "broadcast_object_list", "destroy_process_group", "gather", "gather_object", "get_backend", "get_rank",
    "get_world_size", "group", "init_process_group", "is_available", "is_gloo_available", "is_initialized",
    "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "new_group", "reduce", "reduce_scatter_tensor",
    "scatter",
]  # fmt: skip


class ReduceOp(Enum):
    """How values of several processes become one; of one value, that value."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = range(8)


class Work:
    """What a collective with `async_op` gives: it is done."""

    def wait(self, timeout=None) -> bool:
        """Nothing to wait for."""
        return True

    def is_completed(self) -> bool:
        """Always."""
        return True


class group:
    """`group.WORLD`: the group of all processes, once there is one."""

    WORLD: str | None = None


_world = group  # by a name that no argument has
_backend = ""


def is_available() -> bool:
    """Whether this module can be used."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` has been called."""
    return group.WORLD is not None


def is_nccl_available() -> bool:
    """Never: XLA has its own collectives."""
    return False


is_gloo_available = is_mpi_available = is_nccl_available


def is_torchelastic_launched() -> bool:
    """Whether a launcher of PyTorch's started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(backend: str | None = None, init_method: str | None = None, timeout=None, world_size: int = -1,
                       rank: int = -1, store=None, group_name: str = "", pg_options=None,
                       device_id=None) -> None:  # fmt: skip
    """Make the group, of this one process.

    backend      a name, kept for `get_backend`
    world_size   1; by default what WORLD_SIZE in the environment says, or 1

    Raises ValueError if there is a group already, RuntimeError if it is to have more than one process.
    """
    global _backend
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    size = world_size if world_size >= 0 else int(os.environ.get("WORLD_SIZE", "1"))
    place = rank if rank >= 0 else int(os.environ.get("RANK", "0"))
    if size != 1 or place != 0:
        raise RuntimeError(
            f"funcgrad runs in one process, and this is number {place} of {size}: start one. Over several devices a "
            "step is split by JAX: func.to_jax(step) under jax.jit with shardings, or shard_map"
        )
    _backend, group.WORLD = (backend or "gloo").rpartition(":")[2], "WORLD"


def destroy_process_group(group=None) -> None:
    """There is no group any more."""
    _there()
    _world.WORLD = None


def _there() -> None:
    if not is_initialized():
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_rank(group=None) -> int:
    """0. Raises ValueError before `init_process_group`, as all below."""
    _there()
    return 0


def get_world_size(group=None) -> int:
    """1."""
    _there()
    return 1


def get_backend(group=None) -> str:
    """The name that `init_process_group` was given."""
    _there()
    return _backend


def new_group(ranks=None, timeout=None, backend=None, pg_options=None, **more):
    """The group of the one process."""
    _there()
    if ranks is not None and list(ranks) != [0]:
        raise ValueError("the new group's rank should be within the world_size set by init_process_group")
    return group.WORLD


def barrier(group=None, async_op: bool = False, device_ids=None) -> Work | None:
    """Nobody to wait for."""
    return _done(async_op)


def _done(async_op: bool) -> Work | None:
    _there()
    return Work() if async_op else None


def all_reduce(tensor: Tensor, op=ReduceOp.SUM, group=None, async_op: bool = False) -> Work | None:
    """`tensor` stays as it is."""
    return _done(async_op)


def reduce(tensor: Tensor, dst=None, op=ReduceOp.SUM, group=None, async_op: bool = False,
           group_dst=None) -> Work | None:  # fmt: skip
    """`tensor` stays as it is."""
    return _done(async_op)


def broadcast(tensor: Tensor, src=None, group=None, async_op: bool = False, group_src=None) -> Work | None:
    """`tensor` stays as it is."""
    return _done(async_op)


def broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None) -> None:
    """The list stays as it is."""
    _done(False)


def _write(into: Tensor, tensor: Tensor) -> None:
    with no_grad():
        into.copy_(tensor.reshape(into.shape))


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group=None, async_op: bool = False) -> Work | None:
    """Writes `tensor` into the one of the list."""
    done = _done(async_op)
    _write(tensor_list[0], tensor)
    return done


def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor, group=None,
                           async_op: bool = False) -> Work | None:  # fmt: skip
    """Writes the one into the other, shaped as it is."""
    done = _done(async_op)
    _write(output_tensor, input_tensor)
    return done


def reduce_scatter_tensor(output: Tensor, input: Tensor, op=ReduceOp.SUM, group=None,
                          async_op: bool = False) -> Work | None:  # fmt: skip
    """Writes `input` into `output`."""
    return all_gather_into_tensor(output, input, group, async_op)


def gather(tensor: Tensor, gather_list=None, dst=None, group=None, async_op: bool = False,
           group_dst=None) -> Work | None:  # fmt: skip
    """Writes `tensor` into the one of the list."""
    return all_gather(gather_list, tensor, group, async_op)


def scatter(tensor: Tensor, scatter_list=None, src=None, group=None, async_op: bool = False,
            group_src=None) -> Work | None:  # fmt: skip
    """Writes the one of the list into `tensor`."""
    return all_gather([tensor], scatter_list[0], group, async_op)


def all_gather_object(object_list: list, obj, group=None) -> None:
    """Puts `obj` into the list."""
    _done(False)
    object_list[0] = obj


def gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None) -> None:
    """Puts `obj` into the list."""
    all_gather_object(object_gather_list, obj)
