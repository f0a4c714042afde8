"""One answer in the name of all: what stages hand to an algorithm that averages."""

from graphml.federated.message import Message
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights


def with_examples(answers: Replies) -> Replies:
    """Answers of the clients that trained on something; the others' are the weights that they were sent.

    Args:
        answers: Answers with ``num_examples``.
    """
    return {number: answer for number, answer in answers.items() if answer.metrics["num_examples"] > 0}


def one_answer(answers: Replies, arrays: Weights) -> Replies:
    """One answer that stands for all.

    Args:
        answers: The answers, all with examples.
        arrays: What the one answer says.

    Returns:
        The arrays under the lowest number, with the sum of ``num_examples`` and the means by examples of the other
        metrics that the first answer has.
    """
    told = [answer.metrics for answer in answers.values()]
    total = sum(metrics["num_examples"] for metrics in told)
    mean = {name: sum(metrics.get(name, 0.0) * metrics["num_examples"] for metrics in told) / total for name in told[0]}
    return {min(answers): Message(arrays, mean | {"num_examples": total})}
