"""Sum, mean, maximum and softmax over segments of sorted entries, such as the edges into each node.

Every reduction runs over a range of pointers and every derivative is a repetition or a reduction again: no scatter and
no atomics, so runs are bit-equal. experiments/benchmarks/segments.py compares them with their rivals. Of those,
torch-scatter is ahead for the maximum of 8 and 64 columns alone, 1.2 to 1.4 times with 1.7 times the memory, and is
not used.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.ops.forward_mode import use_custom_op


def _sum_kernel(values: Tensor, ptr: Tensor) -> Tensor:
    # Bags of one entry after the other. Against torch.segment_reduce on 98,000 entries in 19,717 segments: as fast with
    # 1 column, 2.9 times as fast with 8 and 3.8 times with 64.
    _check_end(values, ptr)
    index = torch.arange(values.size(0), device=ptr.device, dtype=ptr.dtype)
    return F.embedding_bag(index, values, ptr, mode="sum", include_last_offset=True)


def _max_kernel(values: Tensor, ptr: Tensor) -> Tensor:
    _check_end(values, ptr)
    out = torch.segment_reduce(values, "max", offsets=ptr, axis=0, unsafe=True)
    return out.masked_fill_(ptr.diff()[:, None] == 0, 0)


def _max_backward_kernel(values: Tensor, ptr: Tensor, top: Tensor, grad: Tensor) -> Tensor:
    return torch.ops.aten._segment_reduce_backward(grad.contiguous(), top, values, "max", offsets=ptr)  # type: ignore[no-any-return]


def _softmax_kernel(values: Tensor, ptr: Tensor) -> Tensor:
    size = values.size(0)
    weight = (values - _expand(_max_kernel(values, ptr), ptr, size)).exp_()
    return weight.div_(_expand(_sum_kernel(weight, ptr), ptr, size))


def _check_end(values: Tensor, ptr: Tensor) -> None:
    if ptr.device.type == "cpu" and (int(ptr[0]), int(ptr[-1])) != (0, values.size(0)):  # a GPU would have to wait
        raise ValueError(f"ptr: expected pointers from 0 to {values.size(0)}, got {int(ptr[0])} to {int(ptr[-1])}")


def _expand(x: Tensor, ptr: Tensor, size: int) -> Tensor:
    """Row of its segment for each entry."""
    return x.repeat_interleave(ptr.diff(), 0, output_size=size)


_sum_op = torch.library.custom_op("graphml::segment_sum", _sum_kernel, mutates_args=())
_max_op = torch.library.custom_op("graphml::segment_max", _max_kernel, mutates_args=())
_max_backward_op = torch.library.custom_op("graphml::segment_max_backward", _max_backward_kernel, mutates_args=())
_softmax_op = torch.library.custom_op("graphml::segment_softmax", _softmax_kernel, mutates_args=())


@_sum_op.register_fake
@_max_op.register_fake
def _(values: Tensor, ptr: Tensor) -> Tensor:
    return values.new_empty(ptr.shape[0] - 1, values.shape[1])


@_max_backward_op.register_fake
def _(values: Tensor, ptr: Tensor, top: Tensor, grad: Tensor) -> Tensor:
    return torch.empty_like(values)


@_softmax_op.register_fake
def _(values: Tensor, ptr: Tensor) -> Tensor:
    return torch.empty_like(values)


def _setup_sum(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.size = inputs[0].size(0)
    ctx.save_for_backward(inputs[1])
    ctx.save_for_forward(inputs[1])


def _setup_max(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs, output)
    ctx.save_for_forward(*inputs, output)


def _setup_softmax(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(output, inputs[1])
    ctx.save_for_forward(output, inputs[1])


def _sum_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    (ptr,) = ctx.saved_tensors
    return _expand(grad, ptr, ctx.size), None


def _max_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return torch.ops.graphml.segment_max_backward(*ctx.saved_tensors, grad), None


def _softmax_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    softmax, ptr = ctx.saved_tensors
    return _softmax_change(torch.ops.graphml.segment_sum, softmax, ptr, grad), None


def _softmax_change(reduce: Callable[..., Tensor], softmax: Tensor, ptr: Tensor, change: Tensor) -> Tensor:
    """Jacobian of the softmax, diag(y) - y y^T in each segment, times a vector; it is symmetric."""
    change = softmax * change
    return torch.addcmul(change, softmax, _expand(reduce(change, ptr), ptr, change.size(0)), value=-1)


_sum_op.register_autograd(_sum_backward, setup_context=_setup_sum)
_max_op.register_autograd(_max_backward, setup_context=_setup_max)
_softmax_op.register_autograd(_softmax_backward, setup_context=_setup_softmax)


class _Sum(torch.autograd.Function):
    """The operator outside of ``torch.compile``: a custom op cannot register a forward-mode derivative.

    Its derivatives, as those of the two below, call no custom op either, so that tangents pass or are refused.
    """

    forward = staticmethod(_sum_kernel)
    setup_context = staticmethod(_setup_sum)
    backward = staticmethod(_sum_backward)

    @staticmethod
    def jvp(ctx: Any, direction: Tensor, _: None) -> Tensor:
        (ptr,) = ctx.saved_tensors
        return _eager_sum(direction, ptr)


class _Max(torch.autograd.Function):
    forward = staticmethod(_max_kernel)
    setup_context = staticmethod(_setup_max)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        values, ptr, top = ctx.saved_tensors
        return _max_backward_kernel(values, ptr, top, grad), None

    @staticmethod
    def jvp(ctx: Any, direction: Tensor, _: None) -> Tensor:
        values, ptr, top = ctx.saved_tensors
        reached = (values == _expand(top, ptr, values.size(0))).to(values.dtype)
        return _eager_sum(reached * direction, ptr) / _eager_sum(reached, ptr).clamp(min=1)


class _Softmax(torch.autograd.Function):
    forward = staticmethod(_softmax_kernel)
    setup_context = staticmethod(_setup_softmax)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        softmax, ptr = ctx.saved_tensors
        return _softmax_change(_eager_sum, softmax, ptr, grad), None

    @staticmethod
    def jvp(ctx: Any, direction: Tensor, _: None) -> Tensor:
        softmax, ptr = ctx.saved_tensors
        return _softmax_change(_eager_sum, softmax, ptr, direction)


def _eager_sum(values: Tensor, ptr: Tensor) -> Tensor:
    out: Tensor = _Sum.apply(values, ptr)  # type: ignore[no-untyped-call]
    return out


def _sum(values: Tensor, ptr: Tensor) -> Tensor:
    """Sum of each segment of ``[E, H]``."""
    operator = torch.ops.graphml.segment_sum if use_custom_op() else _eager_sum
    out: Tensor = operator(values, ptr)
    return out


def _columns(values: Tensor, ptr: Tensor) -> Tensor:
    """Values as ``[E, H]``, checked."""
    if values.dim() not in (1, 2) or not values.is_floating_point():
        raise ValueError(f"values: expected floats [E] or [E, H], got shape {tuple(values.shape)} of {values.dtype}")
    if ptr.dim() != 1 or ptr.numel() == 0 or ptr.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"ptr: expected integers [S + 1], got shape {tuple(ptr.shape)} of {ptr.dtype}")
    return values.unsqueeze(1) if values.dim() == 1 else values


def segment_sum(values: Tensor, ptr: Tensor) -> Tensor:
    """Sum of the entries of each segment; 0 for one without entries.

    Args:
        values: ``[E]`` or ``[E, H]`` entries in the order of their segments.
        ptr: ``[S + 1]`` ascending pointers from 0 to E; segment s holds the entries ``ptr[s]`` to ``ptr[s + 1]``.

    Returns:
        ``[S]`` or ``[S, H]``.

    Raises:
        ValueError: Shapes or types that are not these, or (on CPU) pointers that do not end at E.
    """
    return _sum(_columns(values, ptr), ptr).view(-1, *values.shape[1:])


def segment_mean(values: Tensor, ptr: Tensor) -> Tensor:
    """Mean of the entries of each segment; 0 for one without entries.

    Args:
        values: ``[E]`` or ``[E, H]`` entries in the order of their segments.
        ptr: ``[S + 1]`` ascending pointers from 0 to E.

    Returns:
        ``[S]`` or ``[S, H]``.

    Raises:
        ValueError: As :func:`segment_sum`.
    """
    counts = ptr.diff().clamp(min=1).to(values.dtype)
    return (_sum(_columns(values, ptr), ptr) / counts[:, None]).view(-1, *values.shape[1:])


def segment_max(values: Tensor, ptr: Tensor) -> Tensor:
    """Maximum of each segment; 0 for one without entries, which passes no gradient on.

    Entries that share the maximum share its gradient equally, as with ``torch.amax``.

    Args:
        values: ``[E]`` or ``[E, H]`` entries in the order of their segments.
        ptr: ``[S + 1]`` ascending pointers from 0 to E.

    Returns:
        ``[S]`` or ``[S, H]``.

    Raises:
        ValueError: As :func:`segment_sum`.
    """
    operator = torch.ops.graphml.segment_max if use_custom_op() else _Max.apply
    out: Tensor = operator(_columns(values, ptr), ptr)  # type: ignore[no-untyped-call]
    return out.view(-1, *values.shape[1:])


def segment_softmax(values: Tensor, ptr: Tensor) -> Tensor:
    """Softmax over the entries of each segment, column by column.

    Args:
        values: ``[E]`` or ``[E, H]`` entries in the order of their segments.
        ptr: ``[S + 1]`` ascending pointers from 0 to E.

    Returns:
        Of the shape of ``values``; the entries of a segment add up to 1.

    Raises:
        ValueError: As :func:`segment_sum`.
    """
    operator = torch.ops.graphml.segment_softmax if use_custom_op() else _Softmax.apply
    out: Tensor = operator(_columns(values, ptr), ptr)  # type: ignore[no-untyped-call]
    return out.view_as(values)
