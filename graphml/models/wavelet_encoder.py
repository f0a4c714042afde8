"""The wavelet encoder of ASWT-SGNN."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from graphml.nn import FeatureLinear, WaveletFilter
from graphml.spectral import FilterKernel


class WaveletEncoder(nn.Module):
    r"""Stack of wavelet filters with initial residual and identity mixing.

    A reconstruction of the encoder of ASWT-SGNN (AAAI 2024, arXiv 2312.05736) on the template of GCNII
    (arXiv 2007.02133).

    .. math::
        \mathbf{H}_0 = \mathbf{X} \mathbf{W}_0, \qquad \mathbf{H}_{l+1} = \sigma\big(\mathrm{BN}\big(
        ((1-a) \textstyle\sum_j w_j p_j(\mathbf{M}) \mathbf{H}_l + a \mathbf{H}_0) ((1-b) \mathbf{I} + b \mathbf{W}_l)
        \big)\big)

    The last layer has no activation, and its BatchNorm is not affine: it takes most of the constant component
    (eigenvalue 0), which would dominate, out of the embedding; not all, because in evaluation it subtracts the running
    mean of the training views. With ``identity=0`` there are no :math:`\mathbf{W}_l`: one projection, then filters.

    Args:
        in_channels: Number of features of a node.
        hidden_channels: Width of the layers and of the embedding.
        num_layers: Number of wavelet filters, >= 1.
        num_scales: Band-pass wavelets per layer.
        K: Degree of the polynomials.
        low_pass: Whether the layers have a low-pass filter.
        kernel: Band-pass kernel by name or as an object.
        low_pass_kernel: Low-pass kernel by name or as an object.
        low_pass_scale: Initial scale of the low pass.
        scales: Initial band-pass scales.
        learn_scales: Whether the scales are learned.
        fit: ``weighted``, ``plain`` or ``chebyshev``.
        concat: Concatenate the filters' outputs in each layer instead of summing them (needs ``residual=0`` and
            ``identity=1``).
        residual: Share a in [0, 1] of the first projection in every layer.
        identity: Share b in [0, 1] of the learned transformation; 0 leaves filters alone between projections.
        dropout: Dropout probability before every layer.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), symmetric edges ``[2, E]``, ready weights
          ``[E]``, density ``[256]`` or ``None``
        - **output:** ``[N, out_channels]``
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 256,
        num_layers: int = 2,
        num_scales: int = 2,
        K: int = 8,
        low_pass: bool = True,
        kernel: str | FilterKernel = "mexican_hat",
        low_pass_kernel: str | FilterKernel = "scaling",
        low_pass_scale: float = 3.0,
        scales: Sequence[float] | None = None,
        learn_scales: bool = True,
        fit: str = "weighted",
        concat: bool = False,
        residual: float = 0.1,
        identity: float = 0.5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected an integer >= 1, got {num_layers}")
        for name, value in (("residual", residual), ("identity", identity)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: expected a share in [0, 1], got {value}")
        if concat and (residual > 0 or identity < 1):
            raise ValueError("concat=True changes the width before W: it needs residual=0 and identity=1")
        self.in_channels = in_channels
        self.out_channels = hidden_channels
        self.residual = residual
        self.identity = identity
        self.dropout = dropout
        self.project = FeatureLinear(in_channels, hidden_channels, bias=False)
        self.filters = nn.ModuleList(
            WaveletFilter(
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
                normalize=False,
            )
            for _ in range(num_layers)
        )
        width = hidden_channels * ((num_scales + low_pass) if concat else 1)
        self.lins = nn.ModuleList(nn.Linear(width, hidden_channels) for _ in range(num_layers if identity > 0 else 0))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(hidden_channels, affine=layer < num_layers - 1) for layer in range(num_layers)
        )

        self.reset_parameters()

    @property
    def wavelet_layers(self) -> list[WaveletFilter]:
        """The filters, first to last."""
        return list(self.filters)  # type: ignore[arg-type]

    def filter_parameters(self) -> list[nn.Parameter]:
        """Scales and mixing weights of all layers: few, of order 1, and worth a learning rate of their own."""
        return [p for name, p in self.named_parameters() if name.endswith((".raw_scales", ".mixing"))]

    def reset_parameters(self) -> None:
        """Reset all layers (the projection as ``nn.Linear``, the rest by Glorot)."""
        self.project.reset_parameters()
        for module in (*self.filters, *self.norms):
            module.reset_parameters()
        for lin in self.lins:
            nn.init.xavier_uniform_(lin.weight)  # type: ignore[arg-type]
            nn.init.zeros_(lin.bias)  # type: ignore[arg-type]

    def set_density(self, density: Tensor) -> None:
        """Keep the training graph's spectral density ``[256]`` in every layer."""
        for conv in self.wavelet_layers:
            conv.set_density(density)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """Embed the nodes."""
        first: Tensor = self.project(x)
        h = first
        last = len(self.norms) - 1
        for layer, (wavelets, norm) in enumerate(zip(self.filters, self.norms, strict=True)):
            h = F.dropout(h, self.dropout, self.training)
            h = wavelets(h, edge_index, edge_weight, density)
            if self.residual > 0:
                h = (1 - self.residual) * h + self.residual * first
            if self.identity > 0:
                mixed = self.lins[layer](h)
                h = mixed if self.identity == 1 else (1 - self.identity) * h + self.identity * mixed
            h = norm(h)
            h = F.relu(h) if layer < last else h
        return h
