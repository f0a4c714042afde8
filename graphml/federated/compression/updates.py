"""Sends what changed instead of what is."""

from graphml.federated.message import Message
from graphml.federated.strategy import Replies
from graphml.federated.uplink import Sealing, UplinkStage
from graphml.federated.weights import Weights


class Updates(UplinkStage):
    """Sends the difference to the global weights: for stages after it, which do more harm to weights than to changes.

    The server adds its global weights again, so this is for algorithms that send them to all clients alike (not
    FedPub, GCFL+). Integers, and what an algorithm sends beside the weights, are sent as they are.
    """

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Subtract the weights that training started from.

        Args:
            answer: Weights.
            sealing: Who seals them.
        """
        return Message(_shifted(answer.arrays, sealing.start, -1), answer.metrics)

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """Add the global weights.

        Args:
            answers: Changes.
            shared: Global weights.
        """
        return {number: Message(_shifted(each.arrays, shared, 1), each.metrics) for number, each in answers.items()}


def _shifted(arrays: Weights, by: Weights, sign: int) -> Weights:
    """Arrays plus or minus those of equal names, where they are floating."""
    return {
        name: value + sign * by[name] if name in by and value.is_floating_point() else value
        for name, value in arrays.items()
    }
