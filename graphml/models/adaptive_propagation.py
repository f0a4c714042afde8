"""Propagation on a graph that another model's predictions have mended, for homophilous and heterophilous graphs."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MLP

ALIKE = 0.999
"""Cosine of two nodes' probabilities from which they are joined; the reference implementation's."""


class AdaptiveInputs(NamedTuple):
    """What `AdaptivePropagation` works on.

    Args:
        x: Features, [N, F].
        smoothed: Features after 0 to k propagations side by side, [N, (k + 1) F].
        probabilities: Another model's class probabilities, [N, C].
        alike: 1 for two nodes whose probabilities are alike, [N, N].
    """

    x: Tensor
    smoothed: Tensor
    probabilities: Tensor
    alike: Tensor


class AdaptivePropagation(nn.Module):
    r"""Personalised propagation of AdaFGL (Li et al., ICDE 2024, arXiv 2401.11750).

    From smoothed features :math:`\tilde{\mathbf{X}}` and another model's probabilities :math:`\hat{\mathbf{P}}` it
    predicts for a homophilous graph

    .. math::
        \mathbf{P}_{ho} = \tfrac{1}{2} (\sigma(\mathrm{MLP}_1(\tilde{\mathbf{X}})) + \hat{\mathbf{P}})

    and for a heterophilous one, whose messages may say what a node is not,

    .. math::
        \mathbf{P}_{he} = \tfrac{1}{3} (\sigma(\mathrm{MLP}_2(\tilde{\mathbf{X}})) + \sigma(\mathrm{MLP}_3(\mathbf{X}))
        + \sigma(\mathbf{H} + \mathbf{Q}_+ \mathbf{H} - \mathbf{Q}_- \mathbf{H})), \qquad
        \mathbf{H} = \mathrm{MLP}_4(\tilde{\mathbf{X}})

    where :math:`\mathbf{Q} = \beta \mathbf{S}(\hat{\mathbf{P}}) + (1 - \beta) \mathbf{S}(\sigma(\mathbf{H}))` less its
    mean, :math:`\mathbf{Q}_\pm` are its positive and negative parts with rows of sum 1, :math:`\mathbf{S}` is
    `class_similarity` (1 or 0 for the fixed probabilities) and :math:`\sigma` the softmax. A score in [0, 1] weighs the
    two.

    Differs from the paper: one layer of learned messages; messages are means, and no softmax of sums over all nodes.
    It takes several matrices [N, N], so that it is for the subgraph of a client.

    Args:
        in_channels: Number of features F.
        num_classes: Number of classes C.
        hidden_channels: Width of the four networks of two layers.
        num_hops: Number of propagations k in the smoothed features, at least 0.
        beta: Share of the fixed similarities, in [0, 1].
        dropout: Dropout probability.

    Shapes:
        - **input:** `AdaptiveInputs`
        - **output:** logits ``[4, N, C]``: homophilous; smooth, own and message of the heterophilous part
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 64,
        num_hops: int = 3,
        beta: float = 0.2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        wide = (num_hops + 1) * in_channels
        self.homophilous, self.smooth, self.own, self.message = (
            MLP([width, hidden_channels, num_classes], dropout=dropout, norm=None)
            for width in (wide, wide, in_channels, wide)
        )
        self.beta = beta

    def forward(self, inputs: AdaptiveInputs) -> Tensor:
        """Logits of the four heads."""
        h = self.message(inputs.smoothed)
        q = self.beta * inputs.alike + (1 - self.beta) * class_similarity(h.softmax(dim=1))
        q = (q - q.mean()) * (1 - torch.eye(len(h), device=h.device))  # nobody sends to itself
        positive, negative = (F.normalize(part.relu(), p=1, dim=1) for part in (q, -q))
        messages = h + positive @ h - negative @ h
        heads = [self.homophilous(inputs.smoothed), self.smooth(inputs.smoothed), self.own(inputs.x), messages]
        return torch.stack(heads)

    def loss(self, inputs: AdaptiveInputs, y: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of each head, and the distance of the homophilous one from the other model's probabilities.

        Args:
            inputs: The inputs.
            y: Labels [N].
            mask: Training nodes, bool [N], at least one.
        """
        logits = self(inputs)
        supervised = torch.stack([F.cross_entropy(head[mask], y[mask]) for head in logits]).sum()
        return supervised + F.mse_loss(logits[0].softmax(dim=1), inputs.probabilities)

    def predict(self, inputs: AdaptiveInputs, homophily: float) -> Tensor:
        """Class probabilities ``[N, C]``.

        Args:
            inputs: The inputs.
            homophily: Weight of the homophilous prediction, in [0, 1].
        """
        heads = self(inputs).softmax(dim=2)
        homophilous = (heads[0] + inputs.probabilities) / 2
        mixed: Tensor = homophily * homophilous + (1 - homophily) * heads[1:].mean(dim=0)
        return mixed


def adaptive_inputs(
    x: Tensor, edge_index: Tensor, probabilities: Tensor, alpha: float, num_hops: int
) -> AdaptiveInputs:
    r"""Propagate features on edges and between nodes that are predicted alike.

    .. math::
        \tilde{\mathbf{A}} = \alpha \mathbf{A} + (1 - \alpha) \mathbb{1}[\mathbf{S}(\hat{\mathbf{P}}) > 0.999] +
        \mathbf{I}, \qquad
        \tilde{\mathbf{X}} = [(\mathbf{D}^{-1/2} \tilde{\mathbf{A}} \mathbf{D}^{-1/2})^i \mathbf{X}]_{i = 0 \dots k}

    Args:
        x: Features ``[N, F]``, dense.
        edge_index: Symmetric edges ``[2, E]``; self-loops do not count.
        probabilities: Class probabilities ``[N, C]``.
        alpha: Weight of the edges, in [0, 1].
        num_hops: Number of propagations k.
    """
    adjacency = x.new_zeros(len(x), len(x))
    adjacency[edge_index[0], edge_index[1]] = 1.0
    alike = (class_similarity(probabilities) > ALIKE).to(x.dtype)
    mixed = alpha * adjacency.fill_diagonal_(0.0) + (1 - alpha) * alike + torch.eye(len(x), device=x.device)
    scale = mixed.sum(dim=1).rsqrt()
    propagation = scale[:, None] * mixed * scale
    hops = [x]
    for _ in range(num_hops):
        hops.append(propagation @ hops[-1])
    return AdaptiveInputs(x, torch.cat(hops, dim=1), probabilities, alike)


def class_similarity(probabilities: Tensor) -> Tensor:
    """Cosines between the rows of a matrix, with 0 on the diagonal.

    Args:
        probabilities: ``[N, C]``.

    Returns:
        ``[N, N]``.
    """
    unit = F.normalize(probabilities, dim=1)
    return (unit @ unit.t()) * (1 - torch.eye(len(unit), device=unit.device))
