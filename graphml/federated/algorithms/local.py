"""Local: no federation at all, the control from below."""

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client


class LocalClient(Client):
    """Keeps all weights to itself."""

    def is_personal(self, name: str) -> bool:
        """All weights are.

        Args:
            name: Name of the weight.
        """
        return True


class Local(FedAvg):
    """Every client trains alone from the same initial weights; nothing is sent but requests and metrics.

    Its counterpart from above, one model on all data, is `FedAvg` with a single client.

    Args:
        client_fraction: Share of the clients that train in each round, in (0, 1].
    """

    client = LocalClient
    personalised = True
