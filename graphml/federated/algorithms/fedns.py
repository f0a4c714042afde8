"""FedNS: Newton's method with sketches of the clients' Hessians."""

import torch
from torch import Tensor

from graphml.federated.algorithms.newton import HeadClient, Newton
from graphml.federated.faults import wrong_arrays
from graphml.federated.head_loss import HEAD, HeadLoss
from graphml.federated.message import Message, Scalar
from graphml.federated.weights import Weights


class FedNSClient(HeadClient):
    """Sends a sketch of a square root of its Hessian."""

    def curvature(self, request: Message, loss: HeadLoss, roots: Tensor, generator: torch.Generator) -> Weights:
        """``sketch`` [k, d], drawn anew in each round; the root itself where it has no more than k rows.

        Args:
            request: The server's message; ``config`` holds ``sketch_size``.
            loss: The client's loss.
            roots: What its `HeadLoss.derivatives` returned.
            generator: Where the sketch comes from.
        """
        sketch = loss.sketch(roots, int(request.config["sketch_size"]), generator)
        return {"sketch": sketch.to(request.arrays[HEAD[0]].dtype)}


class FedNS(Newton):
    r"""Federated Newton sketch (Li, Liu, Wang, Wu, Wang, AAAI 2024, arXiv 2401.02734).

    Each client sends its gradient and :math:`\mathbf{Y}_j = \mathbf{S}_j \mathbf{H}_j^{1/2}`, k rows, and

    .. math::
        \mathbf{w} \leftarrow \mathbf{w} - \mu \Big(\sum_j \frac{n_j}{n} \mathbf{Y}_j^\top \mathbf{Y}_j
        + \lambda \mathbf{I} \Big)^{-1} \Big(\sum_j \frac{n_j}{n} \mathbf{g}_j + \lambda \mathbf{w} \Big)

    k d + d numbers from each client instead of Newton's d^2 + d. :math:`\mathbf{S}_j` is Gaussian with
    :math:`\mathbb{E} \, \mathbf{S}_j^\top \mathbf{S}_j = \mathbf{I}`, and new in every round. The root is the n x d one
    of the examples (see `graphml.federated.head_loss`), so that none of a d x d matrix is taken; a client whose root
    has no more than k rows sends it as it is, smaller and exact. The ridge is added once, by the server.

    It differs from the authors' program in two points: what is sent here is counted with the sketch, and the sketch is
    of the examples' root without the ridge (theirs is of a d x d root with it, so that the ridge is sketched too).

    With K clients the sum has K k rows. Too few for d make the step too long, in some directions up to
    :math:`(1 - \sqrt{d / (K k)})^{-2}` times: twice at K k = 12 d, below which a single round may raise the loss. That
    sketches are new in every round makes up for some of it (10 d converged here, 5 d to 6 d did or did not); 3 d
    diverges, which is told after three rounds without a decrease. `FedNDES` searches along the step instead.

    Args:
        sketch_size: Rows k of a client's sketch, at least 1; from d on it is Newton's method.
        step: Step :math:`\mu`, above 0.
        ridge: Weight :math:`\lambda` of the penalty, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    client = FedNSClient
    remedy = "raise sketch_size, lower the step, or take FedNDES, which searches along the step"

    def __init__(self, sketch_size: int, step: float = 1.0, ridge: float = 1e-3) -> None:
        super().__init__(step, ridge)
        if sketch_size < 1:
            raise ValueError(f"sketch_size: expected at least 1, got {sketch_size}")
        self.sketch_size = sketch_size

    def request(self, round: int, **config: Scalar) -> Message:
        """The head and the size of a sketch.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        return super().request(round, sketch_size=self.sketch_size, **config)

    def hessian(self, reply: Message) -> Tensor:
        """The Gram matrix of a sketch.

        Args:
            reply: The answer.
        """
        sketch = reply.arrays["sketch"].double()
        return sketch.T @ sketch

    def expected(self, round: int) -> Weights:
        """A gradient and a sketch, of as many rows as it may have.

        Args:
            round: Number of the round.
        """
        arrays = super().expected(round)
        hessian = arrays.pop("hessian")
        return arrays | {"sketch": hessian.new_empty(self.sketch_size, hessian.size(1))}

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer; its sketch may have fewer rows.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        expected, sent = self.expected(round), reply.arrays.get("sketch")
        if sent is not None and sent.dim() == 2 and len(sent) < len(expected["sketch"]):
            expected["sketch"] = expected["sketch"][: len(sent)]
        wrong = wrong_arrays(reply, expected)
        return "lacks its loss" if wrong is None and "loss" not in reply.metrics else wrong
