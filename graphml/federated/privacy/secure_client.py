"""A client's side of secure aggregation: its secrets of a round, their shares, its masks."""

import secrets
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.message import Message, taken_from, under
from graphml.federated.privacy.keys import (
    KEY_BYTES,
    TAG_BYTES,
    agreed_key,
    mask,
    opened_box,
    private_key,
    public_key,
    sealed_box,
)
from graphml.federated.privacy.shamir import SHARE_BYTES, split
from graphml.federated.weights import Weights

BOX_BYTES = 2 * SHARE_BYTES + TAG_BYTES
PUBLIC_BYTES = 2 * KEY_BYTES


def advertise(request: Message, client: Client) -> Message:
    """First step: draw the secrets of a round, and tell the public keys.

    Secrets are drawn by the operating system and not from the run's seed, which everybody knows; since masks cancel to
    the last bit, what comes out of a run does not depend on them.

    Args:
        request: Its ``config`` holds the ``round``.
        client: The client; it remembers the secrets until the round is over.

    Returns:
        ``keys`` uint8 ``[64]``: public key for boxes, public key for masks.
    """
    keys = [private_key(), private_key()]
    own = [*keys, secrets.token_bytes(KEY_BYTES)]  # for boxes, for masks, seed of the client's own mask
    round = torch.tensor(int(request.config["round"]))
    remember(client, {"round": round, "secrets": torch.stack([as_tensor(each) for each in own])})
    return Message({"keys": as_tensor(b"".join(public_key(key) for key in keys))})


def share(request: Message, client: Client) -> Message:
    """Second step: deal the key for masks and the seed to all clients, in boxes that the server cannot open.

    Args:
        request: ``clients`` int64 ``[n]`` that take part and their ``keys`` ``[n, 64]``; ``config`` holds the
            ``threshold``.
        client: The client; it remembers the request.

    Returns:
        ``boxes`` uint8 ``[n, 82]``, one for each client.

    Raises:
        ValueError: If the client has no secrets of this round, or the threshold is out of range.
    """
    kept, threshold = recalled(client, request), int(request.config["threshold"])
    for_boxes, for_masks, seed = (as_bytes(each) for each in kept["secrets"])
    numbers, keys = request.arrays["clients"].tolist(), request.arrays["keys"]
    dealt = [split(secret, threshold, len(numbers)) for secret in (for_masks, seed)]
    boxes = []
    for place, (number, key) in enumerate(zip(numbers, keys, strict=True)):
        purpose = box_purpose(request, client.number, number)
        agreed = agreed_key(for_boxes, as_bytes(key[:KEY_BYTES]), purpose)
        boxes.append(as_tensor(sealed_box(agreed, dealt[0][place] + dealt[1][place])))
    remember(client, kept | request.arrays | {"threshold": torch.tensor(threshold)})
    return Message({"boxes": torch.stack(boxes)})


def masked(codes: np.ndarray, request: Message, client: Client) -> np.ndarray:
    """Third step: add the client's own mask, and one for each other client that cancels against that client's.

    Args:
        codes: Unsigned integers ``[d + 1]``.
        request: ``secure/sharing``: the clients that dealt their secrets.
        client: The client.

    Raises:
        ValueError: If the client has no secrets of this round, or too few clients take part for the sum to hide it.
    """
    kept, sharing = recalled(client, request), request.arrays["secure/sharing"].tolist()
    _check_crowd("sharing", sharing, kept, client.number)
    _, for_masks, seed = (as_bytes(each) for each in kept["secrets"])
    public = dict(zip(kept["clients"].tolist(), kept["keys"][:, KEY_BYTES:], strict=True))
    total: np.ndarray = codes + mask(seed, codes.size, codes.dtype.type)
    for number in sharing:
        if number != client.number:
            key = agreed_key(for_masks, as_bytes(public[number]), mask_purpose(int(request.config["round"])))
            total += signed(mask(key, codes.size, codes.dtype.type), client.number, number)
    return total


def reveal(request: Message, client: Client) -> Message:
    """Last step: of each client that answered, a share of its seed; of each that did not, one of its key for masks.

    Both together would open that client's answer, so one is told, once, and then all is forgotten.

    Args:
        request: ``sharing`` int64 ``[m]``, the ``boxes`` ``[m, 82]`` that these clients sent to this one, and
            ``answered``.
        client: The client.

    Returns:
        ``shares`` uint8 ``[m, 33]``.

    Raises:
        ValueError: If the client has no secrets of this round, a box is not for it, or too few clients have answered.
    """
    kept = recalled(client, request)
    sharing, answered = request.arrays["sharing"].tolist(), request.arrays["answered"].tolist()
    _check_crowd("answered", answered, kept, client.number)
    for_boxes = as_bytes(kept["secrets"][0])
    public = dict(zip(kept["clients"].tolist(), kept["keys"][:, :KEY_BYTES], strict=True))
    shares = []
    for number, box in zip(sharing, request.arrays["boxes"], strict=True):
        purpose = box_purpose(request, number, client.number)
        content = opened_box(agreed_key(for_boxes, as_bytes(public[number]), purpose), as_bytes(box))
        shares.append(as_tensor(content[SHARE_BYTES:] if number in answered else content[:SHARE_BYTES]))
    remember(client, {})
    return Message({"shares": torch.stack(shares)})


def mask_purpose(round: int) -> str:
    """Purpose of the key that two clients' mask is made of.

    Args:
        round: Number of the round.
    """
    return f"mask of round {round}"


def box_purpose(request: Message, sender: int, receiver: int) -> str:
    """Purpose of the key of a box.

    Args:
        request: Its ``config`` holds the ``round``.
        sender: Number of the client that seals it.
        receiver: Number of the client that opens it.
    """
    return f"share of round {int(request.config['round'])} from {sender} to {receiver}"


def signed(values: np.ndarray, client: int, other: int) -> np.ndarray:
    """A mask as one of two clients adds it: the one of the lower number plus, the other minus.

    Args:
        values: The mask, unsigned.
        client: Number of the client that adds it.
        other: Number of the other.
    """
    return values if client < other else np.zeros_like(values) - values


def remember(client: Client, kept: Weights) -> None:
    """Replace what the client remembers of the round.

    Args:
        client: The client.
        kept: What it shall remember; nothing to forget all.
    """
    rest = {name: value for name, value in client.memory.items() if not name.startswith("secure/")}
    client.memory = rest | under("secure", kept)


def recalled(client: Client, request: Message) -> Weights:
    """What the client remembers of the round.

    Args:
        client: The client.
        request: Its ``config`` holds the ``round``.

    Raises:
        ValueError: If it remembers nothing of this round.
    """
    kept, round = taken_from("secure", client.memory), int(request.config["round"])
    if not kept or int(kept["round"]) != round:
        raise ValueError(f"round: expected one whose secrets the client still has, got {round}")
    return kept


def as_tensor(raw: bytes) -> Tensor:
    """Bytes as uint8 ``[n]``.

    Args:
        raw: The bytes.
    """
    return torch.tensor(list(raw), dtype=torch.uint8)


def as_bytes(values: Tensor) -> bytes:
    """Uint8 ``[n]`` as bytes.

    Args:
        values: The tensor.
    """
    return values.numpy().tobytes()


def _check_crowd(name: str, numbers: Sequence[int], kept: Weights, own: int) -> None:
    known, threshold = set(kept["clients"].tolist()), int(kept["threshold"])
    if own not in numbers or not known.issuperset(numbers) or len(set(numbers)) < threshold:
        told = f"this client ({own}) and others of the round, {threshold} or more in all"
        raise ValueError(f"{name}: expected {told}, got {list(numbers)}")
