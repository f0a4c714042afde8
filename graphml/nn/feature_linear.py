"""A linear layer for node features that may be sparse: bag-of-words matrices are 1 % dense."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mask_columns(x: Tensor, mask: Tensor) -> Tensor:
    """Multiply the columns of dense or sparse CSR features ``[N, F]`` by ``mask`` ``[F]``."""
    mask = mask.to(x.dtype)
    if x.layout != torch.sparse_csr:
        return x * mask
    crow, col = x.crow_indices(), x.col_indices()
    return torch.sparse_csr_tensor(crow, col, x.values() * mask[col], x.shape, check_invariants=False)


class FeatureLinear(nn.Linear):
    """``x W^T + b`` for dense ``x`` or ``x`` in ``torch.sparse_csr`` layout (then one sparse product).

    Shapes:
        - **input:** features ``[N, in_features]``, dense or sparse CSR
        - **output:** ``[N, out_features]``, dense
    """

    def forward(self, x: Tensor) -> Tensor:
        """Project the features."""
        if x.layout != torch.sparse_csr:
            return F.linear(x, self.weight, self.bias)
        # On the CPU a sparse product knows no half precision.
        wide = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            out = (x.to(wide) @ self.weight.T.to(wide)).to(self.weight.dtype)
        return out if self.bias is None else out + self.bias
