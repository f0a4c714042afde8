"""Symmetric InfoNCE between two views of the same nodes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.losses.precision import full_precision
from graphml.ops import contrastive_logsumexp
from graphml.ops.forward_mode import in_forward_mode


@full_precision
def info_nce(z1: Tensor, z2: Tensor, tau: float = 0.5) -> Tensor:
    """Mean over both views of ``-log(exp(s_ii) / sum of exp(s) over all other nodes of both views)``.

    The loss of GRACE (arXiv 2006.04131): ``s`` is the cosine similarity over ``tau``; positives are the same node in
    the other view; negatives are all other nodes of both views; the similarity of an anchor with itself is excluded.
    The similarity matrix is never held (see :func:`graphml.ops.contrastive_logsumexp`).

    Args:
        z1: ``[N, d]`` projected embeddings of one view; need not be normalised.
        z2: ``[N, d]`` the same nodes in the other view.
        tau: Temperature, > 0.

    Returns:
        Scalar loss.

    Raises:
        ValueError: Shapes that differ or a temperature that is not positive.
    """
    if z1.shape != z2.shape or z1.dim() != 2:
        raise ValueError(f"z1, z2: expected two matrices [N, d] of one shape, got {tuple(z1.shape)}, {tuple(z2.shape)}")
    if torch.compiler.is_compiling() or in_forward_mode():
        return _composed(z1, z2, tau)
    loss: Tensor = _InfoNCE.apply(z1, z2, tau)[0]  # type: ignore[no-untyped-call]
    return loss


def _composed(z1: Tensor, z2: Tensor, tau: float) -> Tensor:
    """The loss in differentiable parts: for torch.compile and for forward-mode derivatives."""
    both = torch.cat([F.normalize(z1, dim=1), F.normalize(z2, dim=1)])
    a, b = both.chunk(2)
    return contrastive_logsumexp(both, tau).mean() - (a * b).sum(1).mean() / tau


def _row_dots(first: Tensor, second: Tensor) -> Tensor:
    """``[N]`` inner products of rows, without a temporary of N x d."""
    return torch.bmm(first.unsqueeze(1), second.unsqueeze(2)).flatten()


class _InfoNCE(torch.autograd.Function):
    """The loss in one piece: beyond the normalised rows and the gradients it holds vectors and tiles alone."""

    @staticmethod
    def forward(z1: Tensor, z2: Tensor, tau: float) -> tuple[Tensor, ...]:
        both = torch.cat([z1, z2])
        norms = both.norm(dim=1).clamp_(min=1e-12)
        both.div_(norms[:, None])
        lse = contrastive_logsumexp(both, tau)
        return lse.mean() - _row_dots(*both.chunk(2)).mean() / tau, both, norms, lse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, ...]) -> None:
        ctx.tau = inputs[2]
        ctx.set_materialize_grads(False)  # else the rows would come with a gradient of zeros
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None
        both, norms, lse = ctx.saved_tensors
        share = (grad / lse.numel()).expand_as(lse).contiguous()
        out = torch.ops.graphml.contrastive_logsumexp_backward(both, lse, share, ctx.tau)
        (a, b), (out_a, out_b) = both.chunk(2), out.chunk(2)
        pull = -2 * grad / (lse.numel() * ctx.tau)  # of the positives, of which there are half as many
        out_a.addcmul_(b, pull)
        out_b.addcmul_(a, pull)
        # Through z / |z|: what points along the row does nothing, the rest is divided by the row's length.
        out.addcmul_(both, _row_dots(out, both)[:, None], value=-1)
        out.div_(norms[:, None])
        return out_a, out_b, None
