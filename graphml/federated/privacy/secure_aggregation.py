"""Secure aggregation: the server learns the sum of the answers, and no answer."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.faults import TooFewClientsError
from graphml.federated.message import Message, Scalar
from graphml.federated.privacy import secure_client
from graphml.federated.privacy.fixed_point import RINGS, FixedPoint
from graphml.federated.privacy.keys import KEY_BYTES, agreed_key, mask, require_cryptography
from graphml.federated.privacy.secure_client import BOX_BYTES, PUBLIC_BYTES, as_bytes, mask_purpose, signed
from graphml.federated.privacy.shamir import SHARE_BYTES, join
from graphml.federated.privacy.update import flat_update, floating_names, with_update
from graphml.federated.strategy import Ask, Replies
from graphml.federated.uplink_stage import Sealing, UplinkStage
from graphml.federated.weights import Weights

STEPS = {"advertise": secure_client.advertise, "share": secure_client.share, "reveal": secure_client.reveal}
"""What a client is asked beside training."""


@dataclass(frozen=True)
class Roster:
    """The clients of a round.

    Attributes:
        round: Number of the round.
        threshold: How many of them can open the sum.
        clients: Those that have told their public keys, ascending; their places are the numbers of their shares.
        keys: Public keys, uint8 ``[n, 64]``.
        boxes: What each client that dealt its secrets has dealt to each, uint8 ``[n, 82]``, by its number, ascending.
    """

    round: int
    threshold: int
    clients: list[int]
    keys: Tensor
    boxes: dict[int, Tensor]


class SecureAggregation(UplinkStage):
    """Masks each answer so that the server can open nothing but the sum, though clients drop out on the way.

    Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning", CCS 2017 (figure 4, without
    the consistency check and the signatures). In each round clients

    1. tell a public key for boxes and one for masks, new ones (X25519);
    2. deal the private key for masks and a seed to each other, by Shamir's secret sharing, in boxes that the server
       passes on and cannot open;
    3. train, and send n w in fixed point plus a mask of the seed, plus a mask with each other client that the two have
       agreed on and that cancels in the sum (ChaCha20);
    4. tell the server, of each client that has answered, a share of its seed, and of each that has not, a share of its
       key. With ``threshold`` of the shares the server finds the masks that are left in the sum, and takes them off.

    The average is by examples, whose numbers are in the sum as well. It equals the plain one but for rounding to fixed
    point (`FixedPoint`), and does not depend on the secrets, which the operating system draws: equal seeds give equal
    results. Buffers are averaged as weights, integers stay as the server has them; metrics of training are not sent.

    It protects from a server that keeps to the protocol and looks at all messages, and from clients that tell it what
    they know, as long as there are fewer of these than the threshold. It does not protect from a server that lies
    (about who has dropped out, or whose keys are whose), and what the sum itself tells is told. Clients that send
    garbage cannot be found out. This is for algorithms that average, as the last of the stages. Three exchanges of
    small messages come on top of each round.

    Args:
        threshold: Share of the clients of a round that must stay to its end, in (0.5, 1]; at least two.
        max_value: Largest magnitude of a weight; a client with a larger one drops out.
        max_examples: Largest number of examples of all clients of a round.
        bits: Bits of an integer, 32 (as many as a float32 has) or 64.

    Raises:
        ValueError: If an argument is out of range.
        ModuleNotFoundError: If the package ``cryptography`` is not installed.
    """

    hides: ClassVar[bool] = True

    def __init__(
        self, threshold: float = 0.6, max_value: float = 16.0, max_examples: int = 2**16, bits: int = 32
    ) -> None:
        super().__init__()
        if not 0.5 < threshold <= 1:
            raise ValueError(f"threshold: expected a share in (0.5, 1], got {threshold}")
        require_cryptography()
        self.threshold, self.codec = threshold, FixedPoint(max_value, max_examples, bits)
        self.roster: Roster | None = None

    def before_fit(self, round: int, clients: Sequence[int], ask: Ask) -> list[int]:
        """Steps 1 and 2.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that were drawn.
            ask: Asks them.

        Returns:
            Those that have dealt their secrets.

        Raises:
            TooFewClientsError: If they are fewer than the threshold.
        """
        threshold = max(2, math.ceil(self.threshold * len(clients)))
        request = Message(config={"round": round, "step": "advertise"})
        told = ask(dict.fromkeys(clients, request), {"keys": torch.empty(PUBLIC_BYTES, dtype=torch.uint8)})
        _check_number(round, "told their keys", told, clients, threshold)
        members, keys = sorted(told), torch.stack([told[number].arrays["keys"] for number in sorted(told)])
        config: dict[str, Scalar] = {"round": round, "step": "share", "threshold": threshold}
        request = Message({"clients": torch.tensor(members), "keys": keys}, config=config)
        expected = {"boxes": torch.empty(len(members), BOX_BYTES, dtype=torch.uint8)}
        dealt = ask(dict.fromkeys(members, request), expected)
        _check_number(round, "dealt their secrets", dealt, clients, threshold)
        boxes = {number: dealt[number].arrays["boxes"] for number in sorted(dealt)}
        self.roster = Roster(round, threshold, members, keys, boxes)
        return list(boxes)

    def address(self, requests: dict[int, Message]) -> dict[int, Message]:
        """Tell the clients who has dealt secrets.

        Args:
            requests: The algorithm's messages.
        """
        sharing = {"secure/sharing": torch.tensor(list(self._roster().boxes))}
        distinct = {id(request): request for request in requests.values()}
        told = {key: Message(each.arrays | sharing, each.metrics, each.config) for key, each in distinct.items()}
        return {number: told[id(request)] for number, request in requests.items()}

    def assist(self, request: Message, client: Client) -> Message:
        """Step 1, 2 or 4 of a client.

        Args:
            request: The server's message; ``config`` holds the ``step``.
            client: The client.
        """
        return STEPS[str(request.config["step"])](request, client)

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Step 3: encode and mask.

        Args:
            answer: Weights.
            sealing: Who seals them.
        """
        codes = self.codec.encode(flat_update(answer, {}), int(answer.metrics["num_examples"]))
        return self._sent(secure_client.masked(codes, sealing.request, sealing.client))

    def wire(self, expected: Weights) -> Weights:
        """A masked vector: all floating arrays, and the number of examples.

        Args:
            expected: Weights.
        """
        size = sum(expected[name].numel() for name in floating_names(expected))
        return {"masked": torch.empty(size + 1, dtype=RINGS[self.codec.bits][1])}

    def after_fit(self, round: int, replies: Replies, ask: Ask) -> Replies:
        """Step 4: the sum of the answers, without its masks.

        Args:
            round: Number of the round.
            replies: Masked answers.
            ask: Asks those clients.

        Raises:
            TooFewClientsError: If fewer clients than the threshold answer, now or before.
        """
        roster, answered = self._roster(), sorted(replies)
        sharing = list(roster.boxes)
        _check_number(round, "answered", answered, sharing, roster.threshold)
        numbers = {"sharing": torch.tensor(sharing), "answered": torch.tensor(answered)}
        requests = {}
        for number in answered:
            boxes = torch.stack([each[roster.clients.index(number)] for each in roster.boxes.values()])
            requests[number] = Message(numbers | {"boxes": boxes}, config={"round": round, "step": "reveal"})
        told = ask(requests, {"shares": torch.empty(len(sharing), SHARE_BYTES, dtype=torch.uint8)})
        _check_number(round, "told their shares", told, sharing, roster.threshold)
        total = np.stack([self._codes(reply) for reply in replies.values()]).sum(0, dtype=self._ring)
        for place, number in enumerate(sharing):
            shares = {roster.clients.index(u) + 1: as_bytes(told[u].arrays["shares"][place]) for u in told}
            total = total - self._left(number, join(shares), answered, len(total))
        self.roster = None
        return {answered[0]: self._sent(total)}

    def open(self, answer: Message, expected: Weights) -> Message:
        """Decode the sum as the average.

        Args:
            answer: What `after_fit` returned.
            expected: Weights of the shapes and types that come out.
        """
        mean, examples = self.codec.decode(self._codes(answer))
        return with_update(Message(expected, {"num_examples": examples}), {}, mean)

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """The one answer, with the server's own integers.

        Args:
            answers: The average.
            shared: Global weights.
        """
        integers = {name: value for name, value in shared.items() if not value.is_floating_point()}
        return {number: Message(answer.arrays | integers, answer.metrics) for number, answer in answers.items()}

    def _left(self, number: int, secret: bytes, answered: Sequence[int], size: int) -> np.ndarray:
        """What is left in the sum of a client's masks: its own if it has answered, else those of the others with it."""
        if number in answered:
            return mask(secret, size, self._ring)
        roster, total = self._roster(), np.zeros(size, dtype=self._ring)
        for other in answered:
            public = as_bytes(roster.keys[roster.clients.index(other), KEY_BYTES:])
            key = agreed_key(secret, public, mask_purpose(roster.round))
            total += signed(mask(key, size, self._ring), other, number)
        return total

    @property
    def _ring(self) -> type[np.unsignedinteger]:
        return RINGS[self.codec.bits][0]

    def _codes(self, answer: Message) -> np.ndarray:
        return answer.arrays["masked"].numpy().view(self._ring)

    def _sent(self, codes: np.ndarray) -> Message:
        kind = np.int32 if self.codec.bits == 32 else np.int64
        # How many examples a client has is in the sum alone; an answer must have a number.
        return Message({"masked": torch.from_numpy(codes.view(kind))}, {"num_examples": 1.0})

    def _roster(self) -> Roster:
        if self.roster is None:
            raise RuntimeError("roster: expected before_fit to have been called in this round")
        return self.roster


def _check_number(round: int, done: str, there: Collection[int], all: Collection[int], threshold: int) -> None:
    if len(there) < threshold:
        told = f"{len(there)} of {len(all)} clients have {done}, fewer than the threshold of {threshold}"
        raise TooFewClientsError(f"round {round}: {told}; without them the sum cannot be opened")
