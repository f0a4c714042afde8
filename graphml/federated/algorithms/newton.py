"""Newton's method and gradient descent for a linear head: exact, and the controls of those that send less."""

import abc
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.client_data import NodeData
from graphml.federated.faults import wrong_arrays
from graphml.federated.head_loss import HEAD, HeadLoss, head_matrix, head_weights, linear_head
from graphml.federated.message import Message
from graphml.federated.one_answer import with_examples
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies, Strategy
from graphml.federated.weights import Weights

PATIENCE = 3
"""Rounds in a row without a decrease of the loss after which a run stops."""


class NoDecreaseError(ValueError):
    """The loss has not decreased for `PATIENCE` rounds: the options do not fit the problem."""


class HeadClient(Client):
    """Sends derivatives of its loss in the head's weights; the rest of the model is frozen and stays with it.

    Local training (``local``) has no part in it.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        TypeError: If the task has no linear head or a loss that is no mean over nodes, or the data are no graph.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        linear_head(self.task)
        if not isinstance(self.data, NodeData):
            raise TypeError(f"data: expected NodeData, a graph for each client, got {type(self.data).__name__}")
        self.graph = self.data.data

    def is_personal(self, name: str) -> bool:
        """All but the head is frozen: equal everywhere from the beginning, and never sent.

        Args:
            name: Name of the weight.
        """
        return name not in HEAD

    def fit(self, request: Message) -> Message:
        """Differentiate the loss at the server's weights.

        Args:
            request: The server's weights; ``config`` holds the ``round``.

        Returns:
            ``gradient`` [C, P] of the mean loss and what `curvature` adds; ``num_examples`` and the mean ``loss``.
        """
        self.task.load_state_dict(self.start(request))
        loss, head = HeadLoss(self.task, self.graph), head_matrix(request.arrays)
        gradient, roots = loss.derivatives(head)
        with forked_random_state(derived_seed(self.seed, int(request.config["round"]), self.number)) as generator:
            more = self.curvature(request, loss, roots, generator)
        arrays = {"gradient": gradient.to(request.arrays[HEAD[0]].dtype), **more}
        return Message(arrays, {"num_examples": self.data.num_examples("train"), "loss": loss.loss(head)})

    def curvature(self, request: Message, loss: HeadLoss, roots: Tensor, generator: torch.Generator) -> Weights:
        """What is sent besides the gradient: nothing.

        Args:
            request: The server's message.
            loss: The client's loss.
            roots: What its `HeadLoss.derivatives` returned.
            generator: Where sketches come from.
        """
        return {}


class HeadDescent(Strategy):
    r"""Base of the methods that minimise the loss of a linear head by its derivatives, without local steps.

    .. math::
        F(\mathbf{W}) = \sum_j \frac{n_j}{n} f_j(\mathbf{W}) + \frac{\lambda}{2} \lVert \mathbf{W} \rVert^2, \qquad
        \mathbf{w} \leftarrow \mathbf{w} - \mu \, \mathbf{P} \, \nabla F

    with :math:`f_j` the mean loss of client :math:`j`; the subclasses differ in :math:`\mathbf{P}`. That is what FedAvg
    minimises where clients train by SGD with the weight decay :math:`\lambda`. The ridge is of the head's weights, its
    bias among them, and is the server's: clients know nothing of it. All clients take part in every round.

    Steps are taken as they come. When the loss has not fallen below its lowest for three rounds in a row, the run stops
    with an error: a step that is too long, or too coarse a Hessian, would otherwise go on to infinity.

    Args:
        ridge: Weight :math:`\lambda` of the penalty, above 0.
        step: Step :math:`\mu`, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = HeadClient
    remedy = "lower the step"
    """What the error tells to do when the loss does not decrease."""

    def __init__(self, ridge: float, step: float) -> None:
        super().__init__()
        for name, value in (("ridge", ridge), ("step", step)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: expected a finite number above 0, got {value}")
        self.ridge, self.step = ridge, step

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin, with nothing known of the loss.

        Args:
            state: The head's initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        unknown = torch.full((num_clients,), torch.nan, dtype=torch.float64)
        self.memory = {"losses": unknown, "penalty": torch.tensor(0.0).double(), "failures": torch.tensor(0)}

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The same message for all: the head.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return dict.fromkeys(clients, self.request(round))

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Take a step.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.

        Raises:
            NoDecreaseError: If the loss has not decreased for three rounds.
        """
        replies = with_examples(replies)
        if replies:
            self._watch(round, replies)
            gradient = self.gradient(replies)
            self.state = head_weights(
                head_matrix(self.state) - self.step * self.direction(gradient, replies), self.state
            )

    def gradient(self, replies: Replies) -> Tensor:
        """Gradient [C, P] of the whole loss, the ridge in it.

        Args:
            replies: The clients' answers.
        """
        return weighted({number: reply.arrays["gradient"] for number, reply in replies.items()}, replies) + (
            self.ridge * head_matrix(self.state)
        )

    @abc.abstractmethod
    def direction(self, gradient: Tensor, replies: Replies) -> Tensor:
        """The gradient, preconditioned.

        Args:
            gradient: Gradient [C, P].
            replies: The clients' answers.
        """

    def expected(self, round: int) -> Weights:
        """A gradient.

        Args:
            round: Number of the round.
        """
        weight = self.state[HEAD[0]]
        return {"gradient": weight.new_empty(self.shape)}

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of outputs C and of columns P of the head."""
        rows, columns = self.state[HEAD[0]].shape
        return rows, columns + (HEAD[1] in self.state)

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer: it must tell its loss as well.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        wrong = wrong_arrays(reply, self.expected(round))
        return "lacks its loss" if wrong is None and "loss" not in reply.metrics else wrong

    def penalty(self, head: Tensor) -> float:
        """The ridge's part of the loss.

        Args:
            head: Matrix [C, P].
        """
        return 0.5 * self.ridge * float(head.square().sum())

    def _watch(self, round: int, replies: Replies) -> None:
        """Compare the loss with the lowest so far, over the clients that told both."""
        now, penalty = self.told(replies), torch.tensor(self.penalty(head_matrix(self.state)), dtype=torch.float64)
        common = {number: reply for number, reply in replies.items() if not self.memory["losses"][number].isnan()}
        change = -math.inf
        if common:
            change = float(weighted(dict(enumerate(now - self.memory["losses"])), common))
            change += float(penalty - self.memory["penalty"])
        if change < 0:
            self.memory = self.memory | {"losses": now, "penalty": penalty, "failures": torch.tensor(0)}
        elif change <= self.rounding(now):
            self.memory = self.memory | {"failures": torch.tensor(0)}
        else:
            self.fail(round)

    def told(self, replies: Replies) -> Tensor:
        """Mean losses [K] of the clients; NaN of those that did not answer.

        Args:
            replies: The clients' answers.
        """
        losses = torch.full_like(self.memory["losses"], torch.nan)
        for number, reply in replies.items():
            losses[number] = reply.metrics["loss"]
        return losses

    def rounding(self, losses: Tensor) -> float:
        """Difference of losses that may come from rounding the weights alone.

        Args:
            losses: Losses of the clients.
        """
        return 16 * torch.finfo(self.state[HEAD[0]].dtype).eps * max(1.0, float(losses.nan_to_num().max()))

    def fail(self, round: int) -> None:
        """Count a round without a decrease.

        Args:
            round: Number of the round.

        Raises:
            NoDecreaseError: If it is one too many.
        """
        failures = self.memory["failures"] + 1
        self.memory = self.memory | {"failures": failures}
        if int(failures) >= PATIENCE:
            self._give_up(round)

    def _give_up(self, round: int) -> NoReturn:
        told = f"the loss has not decreased for {PATIENCE} rounds"
        raise NoDecreaseError(f"round {round}: {told} under {type(self).__name__}: {self.remedy}")


class GradientDescent(HeadDescent):
    r"""Distributed gradient descent, :math:`\mathbf{P} = \mathbf{I}`: d numbers from each client in a round.

    Args:
        step: Step, above 0; it converges below ``2 / L`` with L the largest eigenvalue of the Hessian.
        ridge: Weight of the penalty, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, step: float = 1.0, ridge: float = 1e-3) -> None:
        super().__init__(ridge, step)

    def direction(self, gradient: Tensor, replies: Replies) -> Tensor:
        """The gradient as it is.

        Args:
            gradient: Gradient [C, P].
            replies: The clients' answers.
        """
        return gradient


class NewtonClient(HeadClient):
    """Sends its Hessian."""

    def curvature(self, request: Message, loss: HeadLoss, roots: Tensor, generator: torch.Generator) -> Weights:
        """``hessian`` [d, d] of the mean loss, without the ridge.

        Args:
            request: The server's message.
            loss: The client's loss.
            roots: What its `HeadLoss.derivatives` returned.
            generator: Not used.
        """
        rows = loss.rows(roots)
        return {"hessian": (rows.T @ rows).to(request.arrays[HEAD[0]].dtype)}


class Newton(HeadDescent):
    r"""Newton's method with exact Hessians, :math:`\mathbf{P} = (\nabla^2 F)^{-1}`: d^2 + d numbers from each client.

    The control that FedNS is measured by: no sketch can need fewer rounds.

    Args:
        step: Step, above 0; 1 is Newton's.
        ridge: Weight of the penalty, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = NewtonClient

    def __init__(self, step: float = 1.0, ridge: float = 1e-3) -> None:
        super().__init__(ridge, step)

    def direction(self, gradient: Tensor, replies: Replies) -> Tensor:
        """Solve with the mean Hessian and the ridge, which is added once.

        Args:
            gradient: Gradient [C, P].
            replies: The clients' answers.
        """
        hessian = weighted({number: self.hessian(reply) for number, reply in replies.items()}, replies)
        hessian.diagonal().add_(self.ridge)
        factor = torch.linalg.cholesky(hessian)
        return torch.cholesky_solve(gradient.reshape(-1, 1), factor).view_as(gradient)

    def hessian(self, reply: Message) -> Tensor:
        """A client's Hessian [d, d], of doubles, as its answer tells it.

        Args:
            reply: The answer.
        """
        return reply.arrays["hessian"].double()

    def expected(self, round: int) -> Weights:
        """A gradient and a Hessian.

        Args:
            round: Number of the round.
        """
        size = math.prod(self.shape)
        return super().expected(round) | {"hessian": self.state[HEAD[0]].new_empty(size, size)}


def weighted(values: Mapping[int, Tensor], replies: Replies) -> Tensor:
    """Mean by numbers of examples, in double precision.

    Args:
        values: A tensor for each client at least that answered; equal shapes.
        replies: The answers, at least one with examples.
    """
    total = sum(reply.metrics["num_examples"] for reply in replies.values())
    first = values[next(iter(replies))]
    mean = torch.zeros_like(first, dtype=torch.float64)
    for number, reply in replies.items():
        mean.add_(values[number].double(), alpha=reply.metrics["num_examples"] / total)
    return mean
