"""Conversations, dealt to clients."""

from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.data import ConversationDataModule, Conversations, Utterance, write_folder
from graphml.federated import Client, FedAvg, GroupPartitioner, Local, LocalTraining, Schedule, simulate
from graphml.federated.sources import source_of
from graphml.models import UtteranceClassifier
from graphml.tasks import EmotionTask


@pytest.fixture
def module(tmp_path: Path) -> ConversationDataModule:
    """Three sessions of four dialogues, a test dialogue in each; features of session k lie around k."""
    rng, rows, means = np.random.default_rng(0), [], []
    for d in range(12):
        session = d // 4
        for number in range(5):
            label = ("glad", "sad")[rng.integers(2)] if number else ""
            split = ("train", "train", "val", "test")[d % 4]
            name, speaker = f"Ses{session:02d}_talk{d}", f"{'AB'[number % 2]}{session}"
            rows.append(Utterance(name, str(number), speaker, label=label, split=split))
            means.append(session)
    x = rng.standard_normal((60, 4)) * (1 + np.array(means))[:, None] + np.array(means)[:, None]
    write_folder(tmp_path / "talks", Conversations(rows, ["glad", "sad"], {"audio": x.astype(np.float32)}))
    return ConversationDataModule(str(tmp_path / "talks"), batch_size=2)


def test_sessions_and_speakers_are_groups_and_test_dialogues_stay_with_the_server(module):
    source = source_of(module)
    items = source.items()
    assert items.num_items == 9
    assert items.groups["session"].tolist() == items.groups["speaker"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    source.deal(GroupPartitioner("session")(items), None, 0)
    for number in range(3):
        data = source.client_data(number)
        names = [module.conversations.dialogues[d] for d in data.index["train"] + data.index["val"]]
        assert len(names) == 3
        assert all(name.startswith(f"Ses{number:02d}") for name in names)
        assert data.num_examples("test") == 0
    assert source.server_data().num_examples("test") == 3


def test_the_label_of_a_dialogue_is_its_most_frequent_emotion(module):
    conversations = module.conversations
    for number, label in zip(source_of(module).numbers, source_of(module).items().labels, strict=True):
        name = conversations.dialogues[number]
        found = [u.label for u in conversations.utterances if u.dialogue == name and u.label]
        assert found.count(["glad", "sad"][label]) == max(found.count("glad"), found.count("sad"))


def make(module, strategy):
    source = source_of(module)
    source.deal(GroupPartitioner("session")(source.items()), None, 0)
    torch.manual_seed(0)
    task = EmotionTask(module.in_channels, 2, model=UtteranceClassifier, relative=[], class_weight=0.5)
    whole = source.server_data()
    clients = [strategy.client(k, task, source.client_data(k), LocalTraining(), whole) for k in range(3)]
    return clients, Client(-1, task, whole, initial=clients[0].initial), source


def test_statistics_of_the_features_are_averages_of_the_clients(module):
    clients, server, source = make(module, FedAvg())
    schedule = Schedule(monitor="val_weighted_f1")
    result = simulate(FedAvg(), clients, 2, server=server, schedule=schedule, progress=False)
    assert result.history.faults == []
    parts = [source.client_data(k).everything("train").features["audio"] for k in range(3)]
    mean = torch.stack([part.mean(0) for part in parts]).mean(0)
    torch.testing.assert_close(result.last_state["inputs.mean_audio"], mean)
    scale = torch.stack([part.std(0, correction=0) for part in parts]).mean(0)
    torch.testing.assert_close(result.last_state["inputs.scale_audio"], scale)
    assert set(result.history.rounds[-1].metrics) >= {"test_weighted_f1", "test_macro_f1", "test_accuracy", "val_loss"}


def test_clients_that_share_nothing_keep_their_own_statistics(module):
    clients, _, source = make(module, Local())
    result = simulate(Local(), clients, 1, progress=False)
    assert result.history.monitor == "val_weighted_f1"  # the task names it
    for number, client in enumerate(clients):
        expected = source.client_data(number).everything("train").features["audio"].mean(0)
        torch.testing.assert_close(client.memory["inputs.mean_audio"], expected)
