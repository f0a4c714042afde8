"""Adaptive spectral wavelets as a filter of node signals: no transformation, as many channels out as in."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphml.ops import SparsePattern, adjacency_pattern, chebyshev_basis, chebyshev_filter, symmetric_normalize
from graphml.spectral import GRID_SIZE, FilterBank, FilterKernel, cell_widths, chebyshev_vandermonde, get_fit


class WaveletFilter(nn.Module):
    r"""The filter of :class:`WaveletConv`, without its weight matrix.

    .. math::
        \mathbf{X}' = \sum_{j=0}^{J} w_j \, p_j(\mathbf{L} - \mathbf{I}) \, \mathbf{X},
        \qquad p_j = \arg\min_{p} \sum_s \rho(\xi_s) \, (p(\xi_s - 1) - g_j(\xi_s))^2

    with a low-pass filter :math:`g_0(\lambda) = h(\alpha \lambda)`, band passes
    :math:`g_j(\lambda) = g(\beta_j \lambda)`, learnable positive scales, and polynomials of degree K fitted where the
    spectral density :math:`\rho` is high. The Chebyshev basis is computed once and shared by all filters, so the cost
    does not grow with J.

    Args:
        num_scales: Number J of band-pass wavelets.
        K: Degree of the polynomials; 5 to 8 serve scales up to 2, larger scales need 12.
        low_pass: Whether to use the low-pass filter.
        kernel: Band-pass kernel by name (``mexican_hat``, ``x_exp``, ``meyer``, ``abspline``) or as an object.
        low_pass_kernel: Low-pass kernel by name (``scaling``, that is 1 / (1 + y), or ``heat``) or as an object.
        low_pass_scale: Initial :math:`\alpha`.
        scales: Initial band-pass scales; default: from 2 down to 0.5.
        learn_scales: Whether the scales are learned.
        fit: ``weighted`` (by the density), ``plain`` least squares or the truncated ``chebyshev`` expansion.
        concat: Concatenate the filters' outputs instead of summing them (then there are no mixing weights).
        normalize: Normalise ``edge_weight`` symmetrically, as GCNConv does (without self-loops); pass ``False`` with
            weights that are ready.
        density: Spectral density ``[256]`` (:meth:`graphml.spectral.SpectralDensity.on_grid`) kept as a buffer;
            default: equal weight per unit of lambda, that is plain least squares.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edges :math:`(2, |\mathcal{E}|)` of a symmetric graph
          (plain or ``EdgeIndex``), edge weights :math:`(|\mathcal{E}|)` *(optional)*, density :math:`(256)`
          *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F)`, or the filters end to end when concatenated

    Example:
        >>> import torch
        >>> from graphml.nn import WaveletFilter
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> WaveletFilter(num_scales=2)(torch.randn(3, 4), edge_index).shape
        torch.Size([3, 4])
    """

    density: Tensor

    def __init__(
        self,
        num_scales: int = 2,
        K: int = 6,
        low_pass: bool = True,
        kernel: str | FilterKernel = "mexican_hat",
        low_pass_kernel: str | FilterKernel = "scaling",
        low_pass_scale: float = 3.0,
        scales: Sequence[float] | None = None,
        learn_scales: bool = True,
        fit: str = "weighted",
        concat: bool = False,
        normalize: bool = True,
        density: Tensor | None = None,
    ) -> None:
        super().__init__()
        if K < 1:
            raise ValueError(f"K: expected a polynomial degree >= 1, got {K}")
        self.normalize = normalize
        self.filters = FilterBank(num_scales, low_pass, kernel, low_pass_kernel, low_pass_scale, scales, learn_scales)
        self.fit = get_fit(fit, K)
        self.mixing = None if concat else nn.Parameter(torch.empty(len(self.filters)))
        self.register_buffer("density", cell_widths() * (GRID_SIZE / 2))
        if density is not None:
            self.set_density(density)
        WaveletFilter.reset_parameters(self)  # not a subclass's: its weights are not there yet

    def reset_parameters(self) -> None:
        """Reset scales and mixing weights; the density stays."""
        self.filters.reset_parameters()
        if self.mixing is not None:
            with torch.no_grad():
                self.mixing.fill_(0.0 if self.filters.low_pass else 1.0 / len(self.filters))
                if self.filters.low_pass:
                    self.mixing[0] = 1.0

    def set_density(self, density: Tensor) -> None:
        """Keep the spectral density ``[256]`` of the training graph: it moves and is saved with the layer."""
        if density.shape != self.density.shape:
            raise ValueError(f"density: expected shape {tuple(self.density.shape)}, got {tuple(density.shape)}")
        self.density.copy_(density)

    @property
    def scales(self) -> Tensor:
        """``[num_filters]`` positive scales, the low pass first."""
        return self.filters.scales

    def filter_response(self, lam: Tensor) -> Tensor:
        """``[num_filters, S]`` exact filters at eigenvalues ``lam`` ``[S]`` in [0, 2]."""
        out: Tensor = self.filters(lam)
        return out

    def fitted_response(self, lam: Tensor) -> Tensor:
        """``[num_filters, S]`` the polynomials that stand for the filters, at eigenvalues ``lam`` ``[S]``."""
        coefficients = self._coefficients(None)
        return coefficients @ chebyshev_vandermonde(lam, self.fit.order).to(coefficients).T

    def _coefficients(self, density: Tensor | None) -> Tensor:
        """``[num_filters, K + 1]``; in single precision at least: rounded coefficients would be another filter."""
        raw = self.filters.raw_scales
        with torch.autocast(raw.device.type, enabled=False):
            grid = self.fit.grid.to(raw.device, torch.promote_types(raw.dtype, torch.float32))
            out: Tensor = self.fit(self.filters(grid), self.density if density is None else density)
        return out

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Filter ``x`` ``[N, F]``; ``density`` overrides the one that the layer keeps."""
        _check_inputs(x, edge_index, edge_weight)
        if edge_weight is None or self.normalize:
            edge_weight = symmetric_normalize(edge_index, edge_weight, x.size(0))
        pattern = adjacency_pattern(edge_index, x.size(0))
        weight = pattern.in_order(edge_weight.to(x.dtype))
        coefficients = self._coefficients(density)
        if self.mixing is not None:  # a sum of polynomials of one basis is one polynomial
            with torch.autocast(x.device.type, enabled=False):
                mixed = (self.mixing.to(coefficients).unsqueeze(-2) @ coefficients).squeeze(-2)
            return self._sum(x, pattern, weight, mixed.to(x.dtype))
        return self._each(chebyshev_basis(x, pattern, weight, self.fit.order), coefficients.to(x.dtype))

    def _sum(self, x: Tensor, pattern: SparsePattern, weight: Tensor, coefficients: Tensor) -> Tensor:
        """``[N, F]`` signal under one polynomial ``[K + 1]``."""
        return chebyshev_filter(x, pattern, weight, coefficients)

    def _each(self, basis: Tensor, coefficients: Tensor) -> Tensor:
        """``[N, num_filters F]`` signals under the polynomials ``[num_filters, K + 1]``, end to end."""
        filtered = (coefficients @ basis.flatten(1)).view(-1, *basis.shape[1:])
        return torch.cat(filtered.unbind(), dim=-1)

    def extra_repr(self) -> str:
        """Number of wavelets and degree."""
        return f"num_scales={len(self.filters) - self.filters.low_pass}, K={self.fit.order}"


def _check_inputs(x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> None:
    """Name what is wrong with shapes and types; values are not looked at, which would wait for the device."""
    if x.dim() != 2 or not x.is_floating_point():
        raise ValueError(f"x: expected floating node features [N, F], got {x.dtype} of shape {tuple(x.shape)}")
    if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.layout != torch.strided:
        raise ValueError(
            f"edge_index: expected [2, E], got shape {tuple(edge_index.shape)}; of a sparse matrix, pass "
            "torch_geometric.utils.to_edge_index(matrix)"
        )
    if edge_weight is not None and (edge_weight.shape != edge_index.shape[1:] or not edge_weight.is_floating_point()):
        raise ValueError(
            f"edge_weight: expected floating weights [{edge_index.size(1)}], one an edge, "
            f"got {edge_weight.dtype} of shape {tuple(edge_weight.shape)}"
        )
