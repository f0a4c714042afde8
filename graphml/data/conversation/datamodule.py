"""What the data modules of conversations share: modalities, event links, batches on the device."""

import abc
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from graphml.data.conversation.event_linker import EventLinker, Linker
from graphml.data.conversation.linker_state import fit_linker, linker_state
from graphml.data.conversation.missing import lose_modality
from graphml.data.conversation.pack import pack
from graphml.data.conversation.table import Conversations
from graphml.data.features.extract import load_states
from graphml.data.features.text import TfidfSvd
from graphml.data.packed import PackedDialogues
from graphml.data.packed_loader import PackedLoader
from graphml.ops import DialogueBatch, DialogueLinks


class EmotionDataModule(pl.LightningDataModule, abc.ABC):
    """Conversations read once, linked once, packed once; a batch is an index.

    Args:
        modalities: Modalities to use, in their order; default all that the corpus has. A corpus that lacks one is
            refused: nothing is filled with zeros.
        linker: What finds the event links, fitted on the training split; default `EventLinker`, shared words or,
            without texts, text embeddings; without a modality of text there are no links.
        words: Features of a modality "words" made here: TF-IDF and SVD of the sentences, fitted on the training split;
            0 for none. Beside embeddings of sentences it keeps the very words and marks, which tell of emotions.
        batch_size: Dialogues in a batch, at least 1.
        missing: For modalities the share of test utterances that lose it, such as ``{audio: 0.5}``.
        missing_seed: Seed of that draw.
        batch_seed: Seed of the batches' order, not negative.
    """

    def __init__(
        self,
        modalities: list[str] | None = None,
        linker: Linker | None = None,
        words: int = 0,
        batch_size: int = 16,
        missing: dict[str, float] | None = None,
        missing_seed: int = 0,
        batch_seed: int = 0,
    ) -> None:
        super().__init__()
        if words < 0:
            raise ValueError(f"words: expected a number of features, or 0 for none, got {words}")
        self.wanted, self.linker, self.words = modalities, linker, words
        self.batch_size, self.batch_seed = batch_size, batch_seed
        self.missing, self.missing_seed = missing or {}, missing_seed
        self._conversations: Conversations | None = None
        self._data: PackedDialogues | None = None
        self._linker_state: dict[str, Any] | None = None
        self.extractors: dict[str, dict[str, Any]] = {}  # state of what made each modality, where it is known

    path: Path

    @abc.abstractmethod
    def read(self) -> Conversations:
        """Read the corpus, every dialogue in its split."""

    @property
    def conversations(self) -> Conversations:
        """The table, read on first use."""
        if self._conversations is None:
            self._conversations = self._add_words(self._select(self.read()))
            self.extractors = load_states(self.path) | self.extractors if self.path.is_dir() else self.extractors
        return self._conversations

    @property
    def data(self) -> PackedDialogues:
        """The packed dialogues with their event links, made on first use."""
        if self._data is None:
            kept = self.conversations
            for modality, share in self.missing.items():
                kept = lose_modality(kept, modality, share, "test", self.missing_seed)
            self._data = pack(kept, links=self._link(kept))
        return self._data

    @property
    def linker_state(self) -> dict[str, Any] | None:
        """State of the fitted linker (see `load_linker`); None where nothing is linked."""
        self.data  # noqa: B018  # which is linked on the first access
        return self._linker_state

    @property
    def in_channels(self) -> dict[str, int]:
        """Modalities and the features of each."""
        return {name: x.shape[1] for name, x in self.conversations.features.items()}

    @property
    def classes(self) -> list[str]:
        """Emotions in the order of their numbers."""
        return list(self.conversations.classes)

    @property
    def num_classes(self) -> int:
        """Number of emotions.

        Raises:
            ValueError: If the corpus has fewer than two.
        """
        if len(self.classes) < 2:
            got = ", ".join(self.classes) or "none"
            raise ValueError(f"label: expected at least 2 emotions among the labels of the corpus, got {got}")
        return len(self.classes)

    @property
    def num_speakers(self) -> int:
        """Most speakers in a dialogue."""
        return int(self.conversations.speakers.max()) + 1

    @property
    def training_dialogues(self) -> DialogueBatch:
        """All dialogues of the training split.

        Raises:
            ValueError: If there are none.
        """
        return self.data.select(self._chosen("train"))

    def setup(self, stage: str) -> None:
        """Read the corpus.

        Args:
            stage: Lightning's stage; the same data serve all.
        """
        self.data  # noqa: B018  # reading is a side effect of the first access

    def train_dataloader(self) -> PackedLoader:
        """Return the training dialogues, shuffled."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> PackedLoader:
        """Return the validation dialogues."""
        return self._loader("val")

    def test_dataloader(self) -> PackedLoader:
        """Return the test dialogues."""
        return self._loader("test")

    def predict_dataloader(self) -> PackedLoader:
        """Return the test dialogues."""
        return self._loader("test")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; without effect where the data lie on the device.

        Args:
            batch: A batch of a loader of this module.
            device: Device to train on.
            dataloader_idx: Unused; part of Lightning's interface.
        """
        return batch.to(device)

    def _loader(self, split: str, shuffle: bool = False) -> PackedLoader:
        index = self._chosen(split)
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        if self.data.device != device:
            self._data = self.data.to(device)
        return PackedLoader(self.data, self.batch_size, shuffle, index, self.batch_seed)

    def _chosen(self, split: str) -> list[int]:
        index: list[int] = self.conversations.split(split).tolist()
        if not index:
            raise ValueError(f"expected dialogues in the split {split!r}, got none")
        return index

    def _link(self, found: Conversations) -> DialogueLinks | None:
        if self.linker is None and not {"text", "words"} & found.features.keys():
            return None  # sound alone says nothing of events
        linker = fit_linker(self.linker or EventLinker(), found)
        self._linker_state = linker_state(linker)
        return linker(found)

    def _add_words(self, found: Conversations) -> Conversations:
        if not self.words:
            return found
        training = [u.text for u in found.utterances if u.split == "train" and u.text]
        if not training:
            raise ValueError(f"words: expected 0 for a corpus without sentences, got {self.words}")
        encoder = TfidfSvd(self.words).fit(training)
        self.extractors["words"] = encoder.state()
        words = encoder.extract([u.text for u in found.utterances])
        words[[not u.text for u in found.utterances]] = np.nan
        return found.with_features({**found.features, "words": words})

    def _select(self, found: Conversations) -> Conversations:
        wanted = [*found.features] if self.wanted is None else self.wanted
        absent = [name for name in wanted if name not in found.features]
        if absent or not wanted:
            there = ", ".join(found.features) or "none; 'graphml features' makes them"
            raise ValueError(f"modalities: expected some of those of the corpus ({there}), got {', '.join(absent)}")
        return found.with_features({name: found.features[name] for name in wanted})
