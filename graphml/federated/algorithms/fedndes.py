"""FedNDES: FedNS with a line search, and a sketch no larger than the problem needs."""

import math
from collections.abc import Collection

import torch
from torch import Tensor

from graphml.federated.algorithms.fedns import FedNS, FedNSClient
from graphml.federated.algorithms.newton import weighted
from graphml.federated.faults import not_finite
from graphml.federated.head_loss import HEAD, HeadLoss, effective_dimension, head_matrix, head_weights
from graphml.federated.message import Message, Scalar
from graphml.federated.one_answer import with_examples
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights

DECREASE = 0.1
"""Share a of the decrease that the slope promises which a step must bring."""

SHRINK = 0.5
"""Factor b between one step that is tried and the next."""

TRIES = 50
"""Most steps that are tried after the whole one."""


class FedNDESClient(FedNSClient):
    """Sends its losses along the line to the point that it is sent, too; before training, its effective dimension."""

    def fit(self, request: Message) -> Message:
        """Answer a round, or in round 0 tell the effective dimension.

        Args:
            request: The server's message; in round 0 its ``config`` holds the ``ridge``.

        Returns:
            As `FedNSClient`; in round 0 no array and the ``effective_dimension`` among the metrics.
        """
        if int(request.config["round"]) > 0:
            return super().fit(request)
        self.task.load_state_dict(self.start(request))
        loss = HeadLoss(self.task, self.graph)
        rows = loss.rows(loss.derivatives(head_matrix(request.arrays))[1])
        gram = rows @ rows.T if len(rows) < rows.size(1) else rows.T @ rows  # the same eigenvalues, but for zeros
        dimension = effective_dimension(gram, float(request.config["ridge"]))
        return Message({}, {"num_examples": self.data.num_examples("train"), "effective_dimension": dimension})

    def curvature(self, request: Message, loss: HeadLoss, roots: Tensor, generator: torch.Generator) -> Weights:
        """A sketch; where the server tries a step, ``ladder`` as well: the losses after each shorter step [50].

        These are doubles whatever the weights are: what tells short steps apart is small.

        Args:
            request: The server's message; ``direction`` [C, P] has led to its weights where it tries a step.
            loss: The client's loss.
            roots: What its `HeadLoss.derivatives` returned.
            generator: Where the sketch comes from.
        """
        arrays = super().curvature(request, loss, roots, generator)
        if "direction" in request.arrays:
            direction = request.arrays["direction"].double()
            start = head_matrix(request.arrays) - direction
            arrays |= {"ladder": loss.losses_along(start, direction, ladder()[1:])}
        return arrays


class FedNDES(FedNS):
    r"""Dimension-efficient federated Newton sketch with backtracking (arXiv 2401.02734, algorithm 2).

    The step of `FedNS` is searched for: the first of :math:`\mu = 1, b, b^2, \ldots` with

    .. math::
        F(\mathbf{w} + \mu \boldsymbol\Delta) \le F(\mathbf{w}) - a \mu \delta^2, \qquad
        \delta^2 = -\langle \nabla F, \boldsymbol\Delta \rangle

    a = 0.1, b = 0.5, at most 50 times. :math:`\delta` is the Newton decrement; where :math:`\delta^2` is at most 3/4 of
    the tolerance, the run has arrived and stays where it is. So a sketch that is far too small makes progress slow, and
    does not make it diverge.

    The search costs no exchange where the whole step is good: clients are sent the point behind the whole step, and
    answer with the derivatives there and with 50 losses at the shorter steps. If a shorter one is taken, the next
    round asks for the derivatives at its end. (In the paper one client that is drawn searches alone, on its own loss;
    in the authors' program the search never runs, for its test has the wrong sign.)

    The size of the sketches is the largest effective dimension
    :math:`\operatorname{tr} \mathbf{H}_j (\mathbf{H}_j + \lambda \mathbf{I})^{-1}` among the clients, at the initial
    weights, times ``oversampling``: each client tells one number before the first round.

    Args:
        sketch_size: Rows of a client's sketch, at least 1; None for the effective dimension.
        ridge: Weight of the penalty, above 0.
        tolerance: Twice the distance to the lowest loss, as the decrement estimates it, at which to stay, above 0.
        oversampling: Rows for each effective dimension, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    client = FedNDESClient
    remedy = "no step along the directions of its sketches is good: raise sketch_size"

    def __init__(
        self,
        sketch_size: int | None = None,
        ridge: float = 1e-3,
        tolerance: float = 1e-12,
        oversampling: float = 1.0,
    ) -> None:
        super().__init__(1 if sketch_size is None else sketch_size, 1.0, ridge)
        for name, value in (("tolerance", tolerance), ("oversampling", oversampling)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: expected a finite number above 0, got {value}")
        self.preparation = 1 if sketch_size is None else 0
        self.tolerance, self.oversampling = tolerance, oversampling

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin, without a step to try.

        Args:
            state: The head's initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        self.memory = self.memory | {"sketch_size": torch.tensor(self.sketch_size)}

    def request(self, round: int, **config: Scalar) -> Message:
        """The head, and the direction that has led to it where a step is tried.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        if round == 0:
            return Message(self.state, config={"round": round, "ridge": self.ridge})
        request = super().request(round, **config)
        tried = {"direction": self.memory["direction"].to(self.state[HEAD[0]].dtype)} if self.is_trying else {}
        sizes = {"sketch_size": int(self.memory["sketch_size"])}
        return Message(request.arrays | tried, config=request.config | sizes)

    @property
    def is_trying(self) -> bool:
        """Whether the present weights are a step that is tried."""
        return "direction" in self.memory

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Choose the size of the sketches; judge the step that was tried, and try the next one.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.

        Raises:
            NoDecreaseError: If no step was good for three rounds in a row.
        """
        if round == 0:
            largest = max(reply.metrics["effective_dimension"] for reply in replies.values())
            size = min(max(1, math.ceil(self.oversampling * largest)), math.prod(self.shape))
            self.memory = self.memory | {"sketch_size": torch.tensor(size)}
            return
        replies = with_examples(replies)
        if replies and (not self.is_trying or self._accepts_whole_step(round, replies)):
            self._try(replies)

    def _accepts_whole_step(self, round: int, replies: Replies) -> bool:
        """Whether the whole step is good; if not, the state is put to the end of the one that is, or back."""
        start, direction, decrement = (self.memory[name] for name in ("start", "direction", "decrement"))
        good = torch.nonzero(self._changes(replies) <= -DECREASE * ladder() * decrement)
        self._forget()
        if not len(good):
            self.state = head_weights(start, self.state)
            if decrement > self.rounding(self.memory["losses"]):
                self.fail(round)
            return False
        self.memory = self.memory | {"failures": torch.tensor(0)}
        place = int(good[0])
        if place > 0:
            self.state = head_weights(start + ladder()[place] * direction, self.state)
        return place == 0

    def _changes(self, replies: Replies) -> Tensor:
        """By how much each step of the ladder changes the loss, over the clients that told theirs before it as well."""
        before, start, direction = (self.memory[name] for name in ("losses", "start", "direction"))
        common = {number: reply for number, reply in replies.items() if not before[number].isnan()}
        if not common:
            return torch.full((TRIES + 1,), torch.inf, dtype=torch.float64)
        told = {
            number: torch.cat([torch.tensor([reply.metrics["loss"]]).double(), reply.arrays["ladder"].double()])
            - before[number]
            for number, reply in common.items()
        }
        penalties = [self.penalty(start + step * direction) - self.penalty(start) for step in ladder().tolist()]
        return weighted(told, common) + torch.tensor(penalties, dtype=torch.float64)

    def _try(self, replies: Replies) -> None:
        """Try the whole step from the present weights, unless they are near enough to the optimum."""
        gradient, start = self.gradient(replies), head_matrix(self.state)
        direction = -self.direction(gradient, replies)
        decrement = -(gradient * direction).sum()
        if float(decrement) <= 0.75 * self.tolerance:
            self._forget()
            return
        tried = {"start": start, "direction": direction, "decrement": decrement, "losses": self.told(replies)}
        self.memory = self.memory | tried
        self.state = head_weights(start + direction, self.state)

    def _forget(self) -> None:
        gone = ("start", "direction", "decrement")
        self.memory = {name: value for name, value in self.memory.items() if name not in gone}

    def expected(self, round: int) -> Weights:
        """What `FedNS` expects, and losses where a step is tried.

        Args:
            round: Number of the round.
        """
        arrays = super().expected(round)
        arrays["sketch"] = arrays["sketch"].new_empty(int(self.memory["sketch_size"]), math.prod(self.shape))
        return arrays | ({"ladder": ladder()[1:]} if self.is_trying else {})

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer; before training it must tell an effective dimension.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        if round > 0:
            return super().check(round, reply)
        told = reply.metrics.get("effective_dimension", -1.0)
        return not_finite(reply) or (None if told >= 0 else f"sent effective_dimension {told}, expected at least 0")


def ladder() -> Tensor:
    """The steps [51] that are tried: 1, b, b^2 and so on."""
    return SHRINK ** torch.arange(TRIES + 1, dtype=torch.float64)
