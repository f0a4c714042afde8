"""Clients drawn independently of each other: what accountants assume."""

from collections.abc import Sequence

import torch

from graphml.federated.seeds import derived_seed
from graphml.federated.uplink import Uplink


class PoissonUplink(Uplink):
    """An `Uplink` that draws each client by itself, with probability ``client_fraction`` (Poisson sampling).

    Privacy is amplified by sampling only where clients are drawn as the accountant assumes (McMahan et al., ICLR 2018,
    algorithm 1): `Uplink` draws a fixed number without repetition, for which other and weaker bounds hold, so that
    `spent` counts all clients as taking part.

    A round that nobody is drawn for would end the run: then a single client is drawn, with probability
    ``(1 - client_fraction)^K``, which is as good as never for the K and shares that privacy needs.

    Args:
        strategy: The algorithm; its ``client_fraction`` is the probability.
        stages: At least one stage.
    """

    def sample(self, round: int, clients: Sequence[int], seed: int) -> list[int]:
        """Draw the clients of a round.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that can be drawn.
            seed: Seed of the run.

        Returns:
            Their numbers, ascending.
        """
        generator = torch.Generator().manual_seed(derived_seed(seed, round, -2))
        drawn = torch.rand(len(clients), generator=generator)
        chosen = [client for client, value in zip(clients, drawn.tolist(), strict=True) if value < self.client_fraction]
        return sorted(chosen) or [clients[int(drawn.argmin())]]
