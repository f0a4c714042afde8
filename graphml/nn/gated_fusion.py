"""One vector from the modalities of an utterance, any of which may be missing."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class GatedFusion(nn.Module):
    r"""Sum of the modalities that are there, each by a learned gate.

    .. math::
        \mathbf{h}_i = \sum_{m \in \mathcal{M}_i} g_{im} \, \mathbf{h}_{im}, \qquad
        g_{im} = \frac{e^{\mathbf{a}_m^\top \mathbf{h}_{im} + b_m}}
        {\sum_{n \in \mathcal{M}_i} e^{\mathbf{a}_n^\top \mathbf{h}_{in} + b_n}}

    A missing modality has no gate: the others take its share. An utterance without any gets zeros.

    Args:
        channels: Size of each modality's vector.
        modalities: Their names.

    Shapes:
        - **input:** for each modality :math:`(N, F)` and whether it is there :math:`(N)`
        - **output:** :math:`(N, F)` and the gates :math:`(N, M)`, which add up to 1, or to 0 where nothing is there
    """

    def __init__(self, channels: int, modalities: list[str]) -> None:
        super().__init__()
        self.modalities = list(modalities)
        self.gates = nn.ModuleList(nn.Linear(channels, 1) for _ in modalities)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal shares."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, hidden: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            hidden: For each modality ``[N, F]``.
            there: For each modality ``[N]``.

        Returns:
            ``[N, F]`` and the gates ``[N, M]``.
        """
        present = torch.stack([there[name] for name in self.modalities], dim=1)
        values = [hidden[name] for name in self.modalities]
        scores = torch.cat([gate(value) for gate, value in zip(self.gates, values, strict=True)], dim=1)
        alone = ~present.any(dim=1, keepdim=True)
        shares = scores.masked_fill(~present & ~alone, -torch.inf).softmax(dim=1).masked_fill(~present, 0.0)
        # One after the other: a product of many small matrices takes 4 times as long.
        fused = values[0] * shares[:, :1]
        for number, value in enumerate(values[1:], start=1):
            fused = torch.addcmul(fused, value, shares[:, number : number + 1])
        return fused, shares
