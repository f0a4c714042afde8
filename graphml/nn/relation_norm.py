"""Normalisation of what each relation of a graph brings to its nodes."""

import contextlib
from collections.abc import Iterator

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
    the batch's in training and running averages at evaluation. Nodes that a relation does not enter count nowhere and
    stay 0; a relation that enters fewer than two nodes of the batch is normalised by its running averages.

    Args:
        num_relations: Number of relations R.
        channels: Features of a message.
        momentum: Weight of a batch in the running averages, in (0, 1].

    Shapes:
        - **input:** messages :math:`(N, R, F)`, 0 where there is none, and where there is one :math:`(N, R)`
        - **output:** :math:`(N, R, F)`
    """

    def __init__(self, num_relations: int, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_relations, self.channels, self.momentum = num_relations, channels, momentum
        self.tracking = True
        self.register_buffer("running_mean", torch.zeros(num_relations, channels))
        self.register_buffer("running_var", torch.ones(num_relations))

    def reset_parameters(self) -> None:
        """Forget the running averages."""
        self.get_buffer("running_mean").zero_()
        self.get_buffer("running_var").fill_(1.0)

    def forward(self, messages: Tensor, there: Tensor) -> Tensor:
        """Normalise.

        Args:
            messages: ``[N, R, F]``, 0 where there is none.
            there: ``[N, R]`` where there is one.
        """
        mean, scale, _ = self.statistics(messages, there)
        return (messages - mean) * (scale.unsqueeze(1) * there.unsqueeze(2))

    def statistics(self, messages: Tensor, there: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What to normalise by; in training the running averages move.

        Args:
            messages: ``[N, R, F]``, 0 where there is none.
            there: ``[N, R]`` where there is one.

        Returns:
            ``[R, F]`` what to subtract, ``[R]`` what to multiply with, and ``[R]`` one over the number of messages that
            these were taken from, 0 where they are running averages.
        """
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        share = torch.zeros_like(var)
        if self.training:
            count = there.sum(0)
            mean, var = self._of_batch(messages, count, mean, var)
            share = (count > 1) / count.clamp(min=1).to(var)
        return mean, (var + 1e-5).rsqrt(), share

    def _of_batch(self, messages: Tensor, count: Tensor, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics of the batch, and of the past where there are too few, which are then kept."""
        enough = count > 1
        total = count.clamp(min=1).unsqueeze(1)
        batch_mean = messages.sum(0) / total  # the others are 0
        # Lengths of the messages rather than squares: no second buffer of their size.
        square = torch.linalg.vector_norm(messages, dim=2).square().sum(0) / (total.squeeze(1) * self.channels)
        batch_var = (square - batch_mean.square().mean(1)).clamp(min=0)
        if self.tracking:
            with torch.no_grad():
                step = self.momentum * enough
                mean.lerp_(batch_mean.to(mean), step.unsqueeze(1).to(mean))
                var.lerp_(batch_var.to(var), step.to(var))
        return torch.where(enough.unsqueeze(1), batch_mean, mean), torch.where(enough, batch_var, var)

    @contextlib.contextmanager
    def untracked(self) -> Iterator[None]:
        """Leave the running averages as they are: for passes over data that are changed on purpose."""
        self.tracking = False
        try:
            yield
        finally:
            self.tracking = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_relations}, {self.channels})"
