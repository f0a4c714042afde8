"""Graph convolution with adaptive spectral wavelets."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import zeros

from graphml.nn.wavelet_filter import WaveletFilter
from graphml.spectral import FilterKernel


class WaveletConv(WaveletFilter):
    r"""The adaptive spectral wavelet convolution.

    A reconstruction of the layer of `"ASWT-SGNN: Adaptive Spectral Wavelet Transform-based Self-Supervised Graph Neural
    Network" <https://arxiv.org/abs/2312.05736>`_ (AAAI 2024).

    .. math::
        \mathbf{X}' = \sum_{j=0}^{J} w_j \, p_j(\mathbf{L} - \mathbf{I}) \, \mathbf{X} \mathbf{W} + \mathbf{b},
        \qquad p_j = \arg\min_{p} \sum_s \rho(\xi_s) \, (p(\xi_s - 1) - g_j(\xi_s))^2

    A :class:`WaveletFilter`, which explains the symbols, and a weight matrix. The paper released no code: the filters
    follow its sources (WGGP, arXiv 2110.12752). The mixing weights :math:`w_j` are ours: they start at 1 for the low
    pass and 0 for the band passes, because a sum of unit-weight filters is nearly all-pass at the start.

    Args:
        in_channels: Size of each input sample.
        out_channels: Size of each output sample.
        num_scales: Number J of band-pass wavelets.
        K: Degree of the polynomials; 5 to 8 serve scales up to 2, larger scales need 12.
        low_pass: Whether to use the low-pass filter.
        kernel: Band-pass kernel by name (``mexican_hat``, ``x_exp``, ``meyer``, ``abspline``) or as an object.
        low_pass_kernel: Low-pass kernel by name (``scaling``, that is 1 / (1 + y), or ``heat``) or as an object.
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

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
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
        bias: bool = True,
        density: Tensor | None = None,
    ) -> None:
        super().__init__(
            num_scales,
            K,
            low_pass,
            kernel,
            low_pass_kernel,
            low_pass_scale,
            scales,
            learn_scales,
            fit,
            concat,
            normalize,
            density,
        )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.concat = concat
        self.lin = nn.Linear(in_channels * (len(self.filters) if concat else 1), out_channels, bias=False)
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset weights, scales and mixing weights; the density stays."""
        super().reset_parameters()
        nn.init.xavier_uniform_(self.lin.weight)
        zeros(self.bias)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Filter and transform the node features; ``density`` overrides the one that the layer keeps."""
        # Filters act on nodes and W on channels, so they commute: a sum is filtered in the smaller of the two widths.
        if not self.concat and self.out_channels < self.in_channels:
            out = super().forward(self.lin(x), edge_index, edge_weight, density)
        else:
            out = self.lin(super().forward(x, edge_index, edge_weight, density))
        return out if self.bias is None else out + self.bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {self.extra_repr()})"
