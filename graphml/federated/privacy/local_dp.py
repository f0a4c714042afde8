"""Local differential privacy: each client adds noise to what it sends, and trusts nobody."""

from typing import ClassVar

import torch

from graphml.federated.message import Message
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.clipping import clipped
from graphml.federated.privacy.stage import PrivateStage
from graphml.federated.privacy.trained_only import refuse_untrained
from graphml.federated.privacy.update import flat_update, with_update
from graphml.federated.uplink import Sealing


class LocalDP(PrivateStage):
    r"""The Gaussian mechanism at each client (Dwork and Roth, 2014, appendix A).

    .. math::
        \Delta_k \leftarrow \Delta_k \min(1, C / \lVert \Delta_k \rVert) + \mathcal{N}(0, \sigma^2 C^2 \mathbf{I})

    Neighbours are **any two data sets that a client may hold**: two clipped updates are up to 2C apart, so the
    accountant is given a noise multiplier of sigma / 2. The server sees who answers, so that drawing clients amplifies
    nothing; a client that is drawn in every round is counted.

    Nothing else of the training is sent: no loss, and one example for each client, whatever it holds. So **all clients
    weigh the same** in an average. An algorithm that needs more metrics (FedNova) does not go with it.

    The average of K answers has noise of :math:`\sigma C / \sqrt{K}` in each coordinate: where `CentralDP` needs
    :math:`\sigma C / K`, trust in nobody costs a factor of :math:`\sqrt{K}`.

    Args:
        clip: C, above 0.
        noise_multiplier: Sigma: the noise's standard deviation is sigma C.
        delta: The delta for which a run names its epsilon, in (0, 1).
    """

    protects: ClassVar[str] = "client"

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Clip, add noise, and leave out the rest.

        Args:
            answer: The client's answer.
            sealing: Who seals it.

        Raises:
            ValueError: If the model shares buffers, or the task takes statistics of the examples.
        """
        refuse_untrained(sealing.client)
        update = clipped(flat_update(answer, sealing.start), self.clip)
        if self.noise_multiplier > 0:
            noise = torch.randn(update.shape, generator=sealing.generator, dtype=update.dtype)
            update = update + self.noise_multiplier * self.clip * noise
        return with_update(Message(answer.arrays, {"num_examples": 1.0}), sealing.start, update)

    def epsilon(self, rounds: int, sampling: float, delta: float) -> float:
        """Epsilon of a client, towards everyone.

        Args:
            rounds: Number of rounds.
            sampling: Unused: the server knows whom it has drawn.
            delta: In (0, 1).
        """
        return rdp_epsilon(self.noise_multiplier / 2, 1.0, rounds, delta)
