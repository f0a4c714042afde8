"""Normalisation of what each relation of a graph brings to its nodes."""

import torch
from torch import Tensor, nn


class RelationNorm(nn.Module):
    r"""Centre each relation's messages and divide them by one number.

    .. math::
        \mathbf{m}_{ir}' = \frac{\mathbf{m}_{ir} - \boldsymbol{\mu}_r}{\sigma_r}, \qquad
        \sigma_r^2 = \operatorname{mean}_{i, f} (m_{irf} - \mu_{rf})^2

    The mean over many neighbours varies less than a single node and would be overheard beside it. Batch normalisation
    brings all to one size, but each feature by itself, and so makes as much of the last directions of an embedding,
    which are noise, as of the first; here the directions keep their shares. As in batch normalisation, statistics are
    the batch's in training and running averages at evaluation; a batch of one node is normalised by the latter.

    Args:
        num_relations: Number of relations R.
        channels: Features of a message.
        momentum: Weight of a batch in the running averages, in (0, 1].

    Shapes:
        - **input:** messages :math:`(N, R, F)`
        - **output:** :math:`(N, R, F)`
    """

    def __init__(self, num_relations: int, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_relations, self.channels, self.momentum = num_relations, channels, momentum
        self.register_buffer("running_mean", torch.zeros(num_relations, channels))
        self.register_buffer("running_var", torch.ones(num_relations))

    def reset_parameters(self) -> None:
        """Forget the running averages."""
        self.get_buffer("running_mean").zero_()
        self.get_buffer("running_var").fill_(1.0)

    def forward(self, messages: Tensor) -> Tensor:
        """Normalise.

        Args:
            messages: ``[N, R, F]``.
        """
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        if self.training and messages.size(0) > 1:
            batch_mean = messages.mean(0)
            batch_var = (messages - batch_mean).square().mean((0, 2))
            with torch.no_grad():
                mean.lerp_(batch_mean.to(mean), self.momentum)
                var.lerp_(batch_var.to(var), self.momentum)
            mean, var = batch_mean, batch_var
        return (messages - mean) / (var + 1e-5).sqrt().unsqueeze(1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_relations}, {self.channels})"
