"""Which form of an operator to call: the custom op that ``torch.compile`` needs, or the one with tangents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode


def in_forward_mode() -> bool:
    """Whether a forward-mode derivative is being taken: under ``torch.func.jvp`` or ``forward_ad.dual_level``."""
    return bool(forward_ad._current_level >= 0)


def refuse_forward_mode() -> None:
    """Raise under forward-mode differentiation, where an operator of torch.library would drop the tangent silently.

    Raises:
        NotImplementedError: Under ``torch.func.jvp`` or ``forward_ad.dual_level``.
    """
    if in_forward_mode():
        raise NotImplementedError(
            "forward-mode derivatives (torch.func.jvp) are not available inside torch.compile, where the operators of "
            "graphml.ops are custom ops without tangents: call torch.func.jvp outside of compiled code"
        )


def use_custom_op() -> bool:
    """Whether ``torch.compile`` is tracing, so that the custom op is due and not the eager ``autograd.Function``.

    Where graph breaks are allowed, an operator that refuses forward mode here runs outside of the graph instead.

    Raises:
        NotImplementedError: ``torch.func.jvp`` or a dual number inside of ``torch.compile(fullgraph=True)``.
    """
    compiling = torch.compiler.is_compiling()
    if compiling:
        refuse_forward_mode()
    return compiling


class RefuseCustomOps(TorchFunctionMode):
    """While it is entered, an operator of torch.library that is given a tangent raises instead of dropping it.

    Such operators, those of any package, have no forward-mode formula: what comes out of them has no tangent, and a
    derivative of zero would be taken for the truth. An operator that runs within the forward of an eager
    ``autograd.Function`` is left alone: there the function itself carries the tangents.

    Example:
        >>> import torch
        >>> from torch.autograd import forward_ad
        >>> from graphml.ops.forward_mode import RefuseCustomOps
        >>> with forward_ad.dual_level(), RefuseCustomOps():
        ...     out = forward_ad.make_dual(torch.ones(2), torch.ones(2)).square()
        ...     forward_ad.unpack_dual(out).tangent
        tensor([2., 2.])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        if isinstance(func, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
            name = str(func)
            of_torch = name.partition(".")[0] in ("aten", "prims")
            if not of_torch and any(map(_has_tangent, _tensors([*args, *kwargs.values()]))):
                raise NotImplementedError(
                    f"operator {name} has no forward-mode derivative: what it returns would have a tangent of zero; "
                    "expected an operation of torch, or an autograd.Function with jvp"
                )
        return func(*args, **kwargs)


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _has_tangent(value: Tensor) -> bool:
    return forward_ad.unpack_dual(value).tangent is not None
