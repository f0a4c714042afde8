"""Central differential privacy: a trusted server adds noise to the average of its clients' answers."""

import math
from typing import ClassVar

import torch

from graphml.federated.message import Message
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.clipping import clipped
from graphml.federated.privacy.stage import PrivateStage
from graphml.federated.privacy.trained_only import refuse_untrained
from graphml.federated.privacy.update import flat_update, with_update
from graphml.federated.seeds import derived_seed
from graphml.federated.strategy import Replies
from graphml.federated.uplink import Sealing
from graphml.federated.weights import Weights


class CentralDP(PrivateStage):
    r"""DP-FedAvg (McMahan, Ramage, Talwar and Zhang, ICLR 2018, arXiv 1710.06963, algorithm 1).

    .. math::
        \mathbf{w} \leftarrow \mathbf{w} + \frac{1}{m} \Bigl(\sum_{k \in S} \Delta_k \min(1, C / \lVert \Delta_k \rVert)
        + \mathcal{N}(0, \sigma^2 C^2 \mathbf{I})\Bigr)

    All clients weigh the same, and m is fixed, whoever answers. Neighbours are federations of which one has **one more
    client**: the sum moves by at most C, the average by C / m. (Where a client is replaced by another it is 2C: that is
    the guarantee at half the noise multiplier.) The algorithm gets a single answer that stands for all, so only one
    that averages weights goes with it: FedAvg and FedProx, and the server's optimizers; not SCAFFOLD.

    The accountant assumes that each client takes part with a given probability by itself: `PoissonUplink`. Under an
    `Uplink`, which draws a fixed number, `spent` counts all clients as taking part.

    Clients clip, and the server clips once more, for it need not believe them. It sees single answers: **the server is
    trusted**, and what is protected is the model that it gives away.

    Args:
        clip: C, above 0.
        noise_multiplier: Sigma: the noise's standard deviation is sigma C in the sum, sigma C / m in the average.
        clients_per_round: m, above 0: number of clients that take part in a round, the expected one if it is drawn. Any
            other only makes the server's steps longer or shorter.
        delta: The delta for which a run names its epsilon, in (0, 1).
        seed: Seed of the server's noise.

    Raises:
        ValueError: If an argument is out of range.
    """

    protects: ClassVar[str] = "client"

    def __init__(
        self, clip: float, noise_multiplier: float, clients_per_round: float, delta: float = 1e-5, seed: int = 0
    ) -> None:
        super().__init__(clip, noise_multiplier, delta)
        if not 0 < clients_per_round < math.inf:
            raise ValueError(f"clients_per_round: expected a finite number above 0, got {clients_per_round}")
        self.clients_per_round, self.seed = clients_per_round, seed

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Clip.

        Args:
            answer: The client's answer.
            sealing: Who seals it.

        Raises:
            ValueError: If the model shares buffers, the task takes statistics of the examples, or another stage hides
                the single answers, which the server must clip and sum itself.
        """
        refuse_untrained(sealing.client)
        hiding = [type(stage).__name__ for stage in sealing.client.stages if stage.hides]  # type: ignore[attr-defined]
        if hiding:
            raise ValueError(f"stages: expected none that hides answers from a server that is trusted, got {hiding[0]}")
        return with_update(answer, sealing.start, clipped(flat_update(answer, sealing.start), self.clip))

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """Average, add noise, and answer in the name of all.

        Args:
            answers: Opened answers.
            shared: Global weights that the clients were sent.

        Raises:
            ValueError: If they hold something beside weights.
        """
        first = answers[min(answers)]
        besides = sorted(first.arrays.keys() - shared.keys())
        if besides:
            raise ValueError(f"strategy: expected one whose clients send weights alone, got {besides[0]} besides")
        total = torch.stack([clipped(flat_update(answer, shared), self.clip) for answer in answers.values()]).sum(0)
        count = self.memory.get("rounds", torch.tensor(0)) + 1
        self.memory = {"rounds": count}
        if self.noise_multiplier > 0:
            generator = torch.Generator().manual_seed(derived_seed(self.seed, int(count), -4))  # -4: no client's number
            noise = torch.randn(total.shape, generator=generator, dtype=total.dtype)
            total = total + self.noise_multiplier * self.clip * noise
        told = Message(first.arrays, {"num_examples": 1.0})
        return {min(answers): with_update(told, shared, total / self.clients_per_round)}

    def epsilon(self, rounds: int, sampling: float, delta: float) -> float:
        """Epsilon of a client, towards all but the server.

        Args:
            rounds: Number of rounds.
            sampling: Probability that a client takes part in a round.
            delta: In (0, 1).
        """
        return rdp_epsilon(self.noise_multiplier, sampling, rounds, delta)
