"""From the numbers that an extractor gives to those that a network takes."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from graphml.nn.modalities import check_modalities
from graphml.ops import DialogueBatch


class UtteranceFeatures(nn.Module):
    r"""Standardised features and, beside them, how an utterance differs from its speaker's others.

    Columns of measurements (pitch, energy) are standardised one by one; embeddings are centred and divided by one
    number, because their directions mean nothing one by one and making each equally long adds noise. For the
    ``relative`` modalities :math:`(x - \mu_s) / \sigma_s` over the utterances of a speaker in the dialogue is put
    beside :math:`x`: a raised voice is raised against the speaker's own. Rows of NaN (missing) stay NaN and count
    nowhere. The statistics are buffers, so a checkpoint holds those of its training data.

    Args:
        in_channels: Modalities and the features of each.
        relative: Modalities that get the speaker-relative features.
        embeddings: Modalities that are embeddings.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        relative: Sequence[str] = ("audio",),
        embeddings: Sequence[str] = ("text", "visual", "words"),
    ) -> None:
        super().__init__()
        self.in_channels = dict(in_channels)
        self.relative = [name for name in self.in_channels if name in relative]
        self.embeddings = [name for name in self.in_channels if name in embeddings]
        for name, size in self.in_channels.items():
            self.register_buffer(f"mean_{name}", torch.zeros(size))
            self.register_buffer(f"scale_{name}", torch.ones(size))

    @property
    def out_channels(self) -> dict[str, int]:
        """Modalities and the features of each, as the network gets them."""
        return {name: size * (2 if name in self.relative else 1) for name, size in self.in_channels.items()}

    def fit(self, features: Mapping[str, Tensor]) -> None:
        """Take the statistics of the training utterances.

        Args:
            features: For each modality ``[N, F]``, NaN rows where it is missing.

        Raises:
            ValueError: If a modality has no row at all.
        """
        check_modalities(features, self.in_channels)
        for name in self.in_channels:
            x = features[name][~features[name][:, 0].isnan()].double()
            if not len(x):
                raise ValueError(f"features[{name!r}]: expected training utterances that have it, got none")
            deviation = (x - x.mean(0)).square().mean(0)
            scale = (deviation.mean() if name in self.embeddings else deviation).sqrt().expand(x.size(1))
            self.get_buffer(f"mean_{name}").copy_(x.mean(0))
            # What is constant in training says nothing, and must not cry out where it is not.
            self.get_buffer(f"scale_{name}").copy_(scale.masked_fill(scale < 1e-6, 1.0))

    def forward(self, batch: DialogueBatch) -> dict[str, Tensor]:
        """Return the features of a batch.

        Args:
            batch: N utterances.

        Returns:
            For each modality ``[N, F]`` or, where it is relative, ``[N, 2 F]``.

        Raises:
            ValueError: If the batch lacks a modality, or one has another number of features.
        """
        check_modalities(batch.features, self.in_channels)
        out = {}
        for name in self.in_channels:
            x = (batch.features[name] - self.get_buffer(f"mean_{name}")) / self.get_buffer(f"scale_{name}")
            out[name] = torch.cat([x, _relative(x, batch)], dim=1) if name in self.relative else x
        return out


def _relative(x: Tensor, batch: DialogueBatch) -> Tensor:
    """Standardise within dialogue and speaker; a speaker's only utterance gets 0."""
    speaker = torch.unique(batch.batch * (batch.speakers.max() + 1) + batch.speakers, return_inverse=True)[1]
    there = ~x[:, 0].isnan()
    sums = x.new_zeros(int(speaker.max()) + 1, x.size(1))
    known, row = x[there], speaker[there]
    count = sums[:, :1].index_add(0, row, torch.ones_like(known[:, :1])).clamp(min=1)
    mean = sums.index_add(0, row, known) / count
    deviation = (sums.index_add(0, row, (known - mean[row]).square()) / count).sqrt()
    # A tenth of the corpus's deviation at least: two utterances that are nearly alike say little about the spread.
    return (x - mean[speaker]) / deviation[speaker].clamp(min=0.1)
