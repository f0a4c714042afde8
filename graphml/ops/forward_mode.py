"""Which form of an operator to call: the custom op that ``torch.compile`` needs, or the one with tangents."""

import torch
from torch.autograd import forward_ad


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
