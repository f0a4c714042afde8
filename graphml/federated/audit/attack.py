"""What all attacks of an audit have in common."""

import abc

from graphml.federated.audit.exposure import Exposure
from graphml.federated.privacy.attacks import Leakage


class Attack(abc.ABC):
    """An attack of `graphml.federated.privacy.attacks` with its options, ready for any federation of nodes."""

    @abc.abstractmethod
    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: What can be seen of a federation, and the truth to compare with.

        Returns:
            The figures of one or more attacks.

        Raises:
            ValueError: If it does not apply to the federation.
        """
