"""Which form of an operator to call: the custom op that ``torch.compile`` needs, or the one with tangents."""

import torch
from torch.autograd import forward_ad


def use_custom_op() -> bool:
    """Whether ``torch.compile`` is tracing, so that the custom op is due and not the eager ``autograd.Function``.

    A custom op registers no forward-mode derivative and would drop a tangent without a word, so forward mode inside of
    ``torch.compile`` is refused: where graph breaks are allowed, the operator then runs outside of the graph.

    Raises:
        NotImplementedError: ``torch.func.jvp`` or a dual number inside of ``torch.compile(fullgraph=True)``.
    """
    compiling = torch.compiler.is_compiling()
    if compiling and forward_ad._current_level >= 0:
        raise NotImplementedError("forward-mode derivatives (torch.func.jvp) are not available inside torch.compile")
    return compiling
