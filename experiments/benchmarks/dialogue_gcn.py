"""An epoch of training on IEMOCAP's sizes: DER-GCN and DialogueGCN, against DialogueGCN built by Python loops.

The rival computes exactly what `graphml.models.DialogueGCN` does (a test compares their logits), in the way in which
the public codes do it, written anew from their description:

- for each dialogue a set of pairs that grows by union, utterance by utterance;
- queries of the edges' attention by a product of a matrix and a vector for each place of the padded batch; for each
  utterance a product with its window and a softmax, written into a matrix as large as the longest dialogue's;
- for each edge one small tensor, one read of that matrix, its speakers found in one-hot rows and its relation looked up
  by a string;
- for each relation the messages of its edges gathered, scaled and added up;
- for the attention in front of the classifier a product of all utterances, shares and features of a dialogue, summed.

The recurrent network in front is the same fused one on both sides. Hidden size 128, batches of 32 dialogues as in both
public codes; forward, backward and a step of Adam. The goal is 10 times the rival. A quick run takes one batch, a full
run 120 dialogues, IEMOCAP's training split.
"""

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from graphml.bench.measure import Result, compare
from graphml.data import DialogueBatch, PackedDialogues
from graphml.data.samples import synthetic_dialogues
from graphml.losses import minority_contrastive_loss
from graphml.models import DERGCN, DialogueGCN
from graphml.nn import concatenate_modalities

CHANNELS = {"text": 384, "audio": 9}
DIALOGUES, BATCH, GOAL = 120, 32, 10.0


class LoopedDialogueGCN(nn.Module):
    """DialogueGCN by loops.

    Args:
        model: The network whose layers it takes.
    """

    def __init__(self, model: DialogueGCN) -> None:
        super().__init__()
        self.model = model
        self.types: dict[str, int] = {}
        people = range(model.num_speakers)
        for a, b, direction in itertools.product(people, people, (0, 1)):
            self.types[f"{a}{b}{direction}"] = len(self.types)

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Return the logits of each utterance."""
        model = self.model
        x = concatenate_modalities(batch.features, model.in_channels)
        context = model.dropout(model.context(model.dropout(x), batch.lengths))
        h = torch.cat([context, self.convolve(context, batch)], dim=1)
        attended = torch.cat([self.attend(dialogue) for dialogue in h.split(batch.lengths.tolist())])
        logits: Tensor = model.classify(model.dropout(attended))
        return logits

    def convolve(self, context: Tensor, batch: DialogueBatch) -> Tensor:
        """Apply both convolutions to the graph of the batch."""
        model = self.model
        source, target, weight, relation = self.graph(context, batch)
        to_itself = weight[source == target][target[source == target].argsort()].unsqueeze(1)
        h = to_itself * model.self_weight(context)
        for number, matrix in enumerate(model.relation_weights()):
            mine = relation == number
            count = torch.bincount(target[mine], minlength=len(context))[target[mine]]
            messages = (weight[mine] / count).unsqueeze(1) * context[source[mine]]
            h = h + torch.zeros_like(context).index_add(0, target[mine], messages) @ matrix
        h = F.relu(h)
        neighbors = torch.zeros_like(h).index_add(0, target, h[source])
        return F.relu(model.neighbor_weight2(neighbors) + to_itself * model.self_weight2(h))

    def graph(self, context: Tensor, batch: DialogueBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Source, target, weight and relation of each edge."""
        edges, weights, relations, first = [], [], [], 0
        one_hot = F.one_hot(batch.speakers, self.model.num_speakers)
        lengths = batch.lengths.tolist()
        scores = self.window_scores(pad_sequence(context.split(lengths), batch_first=True), lengths)
        for number, length in enumerate(lengths):
            for i, j in self.pairs(length):  # into i, from j
                edges.append(torch.tensor([first + j, first + i]))
                weights.append(scores[number][i, j])
                a, b = ((one_hot[first + k] == 1).nonzero()[0][0].tolist() for k in (j, i))
                relations.append(self.types[f"{a}{b}{0 if j < i else 1}"])
            first += length
        source, target = torch.stack(edges).t()
        return source, target, torch.stack(weights), torch.tensor(relations)

    def window(self, length: int, i: int) -> range:
        """Utterances that utterance i hears."""
        past, future = self.model.past, self.model.future
        return range(0 if past == -1 else max(0, i - past), length if future == -1 else min(length, i + future + 1))

    def pairs(self, length: int) -> list[tuple[int, int]]:
        """Pairs of one dialogue in a set that is copied for each utterance."""
        pairs: set[tuple[int, int]] = set()
        for i in range(length):
            pairs = pairs.union({(i, j) for j in self.window(length, i)})
        return list(pairs)

    def window_scores(self, padded: Tensor, lengths: list[int]) -> list[Tensor]:
        """For each dialogue the weight of the edge into utterance i from utterance j, in a matrix."""
        query = (self.model.edge_attention.weight[None, None] @ padded.unsqueeze(-1)).squeeze(-1)
        matrices = []
        for number, length in enumerate(lengths):
            matrix = padded.new_zeros(padded.size(1), padded.size(1))
            for i in range(length):
                nearby = slice(self.window(length, i).start, self.window(length, i).stop)
                matrix[i, nearby] = torch.softmax(padded[number, nearby] @ query[number, i], 0)
            matrices.append(matrix)
        return matrices

    def attend(self, dialogue: Tensor) -> Tensor:
        """Let each utterance of a dialogue attend to all of it."""
        share = torch.softmax(self.model.attention(dialogue) @ dialogue.t(), 1)
        return (dialogue.unsqueeze(0) * share.unsqueeze(-1)).sum(1)


def cross_entropy(model: nn.Module, batch: DialogueBatch) -> Tensor:
    """Loss of the rivals."""
    return F.cross_entropy(model(batch), batch.labels)


def all_losses(model: DERGCN, batch: DialogueBatch) -> Tensor:
    """Loss of DER-GCN."""
    encoded = model.encode(batch)
    contrastive = minority_contrastive_loss(model.project(encoded), batch.labels)
    reconstruction = model.reconstruction_loss(encoded, torch.Generator().manual_seed(0))
    return F.cross_entropy(model.head(encoded.hidden), batch.labels) + 0.1 * (contrastive + reconstruction)


def epoch(
    model: nn.Module, loss_of: Callable[..., Tensor], data: PackedDialogues, dialogues: int
) -> Callable[[], None]:
    """Make a function that trains a model on the first dialogues, once."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def run() -> None:
        for index in torch.arange(dialogues).split(BATCH):
            batch = data.select(index)
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Take one batch for the epoch.

    Returns:
        The measurements.
    """
    torch.manual_seed(0)
    data = synthetic_dialogues("IEMOCAP", CHANNELS)
    dialogues = BATCH if quick else DIALOGUES
    candidates = {
        "DialogueGCN by loops": epoch(LoopedDialogueGCN(DialogueGCN(CHANNELS, 6, 2)), cross_entropy, data, dialogues),
        "DialogueGCN": epoch(DialogueGCN(CHANNELS, 6, 2), cross_entropy, data, dialogues),
        "DERGCN": epoch(DERGCN(CHANNELS, 6, 2), all_losses, data, dialogues),
    }
    job, size = "epoch of training, hidden size 128", f"IEMOCAP, {dialogues} dialogues"
    return compare(job, size, candidates, "DialogueGCN by loops", {"DERGCN": GOAL}, repeats=1)
