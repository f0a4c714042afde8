"""Graph convolution with adaptive spectral wavelets."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import zeros

from graphml.ops import adjacency_pattern, chebyshev_basis, chebyshev_filter, symmetric_normalize
from graphml.spectral import GRID_SIZE, FilterBank, FilterKernel, cell_widths, chebyshev_vandermonde, get_fit


class WaveletConv(nn.Module):
    r"""The adaptive spectral wavelet convolution.

    A reconstruction of the layer of `"ASWT-SGNN: Adaptive Spectral Wavelet Transform-based Self-Supervised Graph Neural
    Network" <https://arxiv.org/abs/2312.05736>`_ (AAAI 2024).

    .. math::
        \mathbf{X}' = \sum_{j=0}^{J} w_j \, p_j(\mathbf{L} - \mathbf{I}) \, \mathbf{X} \mathbf{W} + \mathbf{b},
        \qquad p_j = \arg\min_{p} \sum_s \rho(\xi_s) \, (p(\xi_s - 1) - g_j(\xi_s))^2

    with a low-pass filter :math:`g_0(\lambda) = 1 / (1 + \alpha \lambda)`, band passes
    :math:`g_j(\lambda) = g(\beta_j \lambda)`, learnable positive scales, and polynomials of degree K fitted where the
    spectral density :math:`\rho` is high. The Chebyshev basis is computed once and shared by all filters, so the cost
    does not grow with J. The paper released no code: the filters follow its sources (WGGP, arXiv 2110.12752). The
    mixing weights :math:`w_j` are ours: they start at 1 for the low pass and 0 for the band passes, because a sum of
    unit-weight filters is nearly all-pass at the start.

    Args:
        in_channels: Size of each input sample.
        out_channels: Size of each output sample.
        num_scales: Number J of band-pass wavelets.
        K: Degree of the polynomials; 5 to 8 serve scales up to 2, larger scales need 12.
        low_pass: Whether to use the low-pass filter.
        kernel: Band-pass kernel by name (``mexican_hat``, ``x_exp``, ``meyer``, ``abspline``) or as an object.
        low_pass_scale: Initial :math:`\alpha`.
        scales: Initial band-pass scales; default: from 2 down to 0.5.
        learn_scales: Whether the scales are learned.
        fit: ``weighted`` (by the density), ``plain`` least squares or the truncated ``chebyshev`` expansion.
        concat: Concatenate the filters' outputs before :math:`\mathbf{W}` instead of summing them.
        normalize: Normalise ``edge_weight`` symmetrically, as GCNConv does (without self-loops); pass ``False`` with
            weights that are ready.
        bias: Whether to add a bias.
        density: Spectral density ``[256]`` (:meth:`graphml.spectral.SpectralDensity.on_grid`) kept as a buffer;
            default: equal weight per unit of lambda, that is plain least squares.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F_{in})`, edges :math:`(2, |\mathcal{E}|)` of a symmetric
          graph (plain or ``EdgeIndex``), edge weights :math:`(|\mathcal{E}|)` *(optional)*, density :math:`(256)`
          *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`

    Example:
        >>> import torch
        >>> from graphml.nn import WaveletConv
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> WaveletConv(4, 8)(torch.randn(3, 4), edge_index).shape
        torch.Size([3, 8])
    """

    density: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_scales: int = 2,
        K: int = 6,
        low_pass: bool = True,
        kernel: str | FilterKernel = "mexican_hat",
        low_pass_scale: float = 3.0,
        scales: Sequence[float] | None = None,
        learn_scales: bool = True,
        fit: str = "weighted",
        concat: bool = False,
        normalize: bool = True,
        bias: bool = True,
        density: Tensor | None = None,
    ) -> None:
        super().__init__()
        if K < 1:
            raise ValueError(f"K: expected a polynomial degree >= 1, got {K}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.normalize = normalize
        self.concat = concat
        self.filters = FilterBank(
            num_scales, low_pass, kernel, low_pass_scale=low_pass_scale, scales=scales, learn_scales=learn_scales
        )
        self.fit = get_fit(fit, K)
        self.lin = nn.Linear(in_channels * (len(self.filters) if concat else 1), out_channels, bias=False)
        self.mixing = None if concat else nn.Parameter(torch.empty(len(self.filters)))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("density", cell_widths() * (GRID_SIZE / 2))
        if density is not None:
            self.set_density(density)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset weights and scales; the density stays."""
        self.filters.reset_parameters()
        nn.init.xavier_uniform_(self.lin.weight)
        zeros(self.bias)
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
        grid = self.fit.grid.to(self.filters.raw_scales.dtype)
        out: Tensor = self.fit(self.filters(grid), self.density if density is None else density)
        return out

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Filter and transform the node features; ``density`` overrides the one that the layer keeps."""
        # Filters act on nodes and W on channels, so they commute: a sum is filtered in the smaller of the two widths.
        if not self.concat and self.out_channels < self.in_channels:
            out = self.propagate(self.lin(x), edge_index, edge_weight, density)
        else:
            out = self.lin(self.propagate(x, edge_index, edge_weight, density))
        return out if self.bias is None else out + self.bias

    def propagate(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Filter ``x`` ``[N, F]`` without transforming it: ``[N, F]`` summed, ``[N, num_filters * F]`` concatenated."""
        if edge_weight is None or self.normalize:
            edge_weight = symmetric_normalize(edge_index, edge_weight, x.size(0))
        pattern = adjacency_pattern(edge_index, x.size(0))
        weight = pattern.in_order(edge_weight.to(x.dtype))
        coefficients = self._coefficients(density)
        if self.mixing is not None:  # a sum of polynomials of one basis is one polynomial
            return chebyshev_filter(x, pattern, weight, (self.mixing @ coefficients).to(x.dtype))
        basis = chebyshev_basis(x, pattern, weight, self.fit.order)
        filtered = (coefficients.to(x.dtype) @ basis.flatten(1)).view(-1, *x.shape)
        return torch.cat(filtered.unbind(), dim=-1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_scales={len(self.filters) - self.filters.low_pass}, K={self.fit.order})"
        )
