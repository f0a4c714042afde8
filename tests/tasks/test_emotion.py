"""The emotion task: its losses, its metrics, its checkpoints, and that runs repeat bit by bit."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, f1_score

from graphml.data import ConversationDataModule, Conversations, PackedLoader, Utterance, read_folder, write_folder
from graphml.data.conversation import pack
from graphml.losses import minority_contrastive_loss
from graphml.models import DERGCN, BiGRU, UtteranceClassifier
from graphml.nn import AttentionWeight
from graphml.tasks import EmotionTask, UnknownClassError

CLASSES = ["happy", "sad", "neutral"]
SMALL = functools.partial(DERGCN, hidden_channels=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve dialogues in which the features tell the emotion, with noise; the rare one is sad."""
    rng, rows = np.random.default_rng(0), []
    for d in range(12):
        split = ("train", "train", "val", "test")[d % 4]
        for number in range(6 + d % 3):
            label = CLASSES[rng.choice(3, p=[0.4, 0.15, 0.45])]
            rows.append(
                Utterance(f"d{d}", str(number), "AB"[number % 2], text=f"day {d % 3}", label=label, split=split)
            )
    y = np.array([CLASSES.index(row.label) for row in rows])
    features = {
        "text": 2 * np.eye(3, 6)[y] + 0.5 * rng.standard_normal((len(y), 6)),
        "audio": 3.0 + np.eye(3, 4)[y] + rng.standard_normal((len(y), 4)),
    }
    table = Conversations(rows, CLASSES, {name: x.astype(np.float32) for name, x in features.items()})
    write_folder(tmp_path / "conversations", table)
    return tmp_path / "conversations"


def make_data(folder: Path, **options) -> ConversationDataModule:
    return ConversationDataModule(str(folder), batch_size=3, **options)


def make_task(data: ConversationDataModule, model=SMALL, **options) -> EmotionTask:
    pl.seed_everything(0, verbose=False)
    return EmotionTask(data.in_channels, data.num_classes, data.num_speakers, model=model, lr=1e-2, **options)


def trainer(tmp_path: Path, **options) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "deterministic": True}
    return pl.Trainer(default_root_dir=tmp_path, accelerator="cpu", num_sanity_val_steps=0, **quiet | options)


def fitted(task: EmotionTask, data: ConversationDataModule) -> EmotionTask:
    task.inputs.fit(data.training_dialogues.features)
    return task


def test_it_learns_and_reports_what_scikit_learn_reports(folder, tmp_path) -> None:
    data = make_data(folder)
    task, runner = make_task(data), trainer(tmp_path, max_epochs=25, enable_checkpointing=False)
    runner.fit(task, data)
    assert {"val_weighted_f1", "val_accuracy", "train_reconstruction", "train_contrastive"} <= set(
        runner.callback_metrics
    )
    (metrics,) = runner.test(task, data, verbose=False)
    predictions = runner.predict(task, data)
    assert predictions is not None
    predicted = torch.cat(predictions).argmax(1)
    labels = torch.cat([batch.labels for batch in data.test_dataloader()])
    assert metrics["test/weighted_f1"] == pytest.approx(f1_score(labels, predicted, average="weighted"))
    assert metrics["test/macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert metrics["test/accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for name, value in zip(CLASSES, f1_score(labels, predicted, average=None, labels=range(3)), strict=True):
        assert metrics[f"test/f1 {name}"] == pytest.approx(value)
    assert metrics["test/accuracy"] > 0.6
    assert task.report is not None
    assert task.relation_attention is not None
    assert float(task.relation_attention[1].sum()) == pytest.approx(1)


def test_the_loss_is_the_sum_of_its_parts(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data, reconstruction_weight=0.3, contrastive_weight=0.7, class_weight=1.0), data).eval()
    task.weight_of_class.copy_(torch.tensor([1.0, 3.0, 0.5]))
    batch = next(iter(data.train_dataloader()))
    loss, parts = task.loss(task.model, batch, torch.Generator().manual_seed(1))
    encoded = task.model.encode(task.standardize(batch))
    cross_entropy = F.cross_entropy(task(batch), batch.labels, torch.tensor([1.0, 3.0, 0.5]))
    contrastive = minority_contrastive_loss(task.model.project(encoded), batch.labels)
    reconstruction = task.model.reconstruction_loss(encoded, torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss, cross_entropy + 0.3 * reconstruction + 0.7 * contrastive)
    torch.testing.assert_close(parts["reconstruction"], reconstruction.detach())


def test_counts_of_batches_add_up_to_what_scikit_learn_reports(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data), data).eval()
    whole = PackedLoader(data.data, 100, index=list(range(len(data.data))))
    parts = PackedLoader(data.data, 1, index=list(range(len(data.data))))
    with torch.no_grad():
        (batch,) = whole
        predicted = task(batch).argmax(1)
        counts = [task.counts(task.network, part, "train") for part in parts]
    metrics = task.metrics({name: torch.stack([part[name] for part in counts]).sum(0) for name in counts[0]})
    known = batch.labels >= 0
    y, p = batch.labels[known], predicted[known]
    assert metrics["weighted_f1"] == pytest.approx(f1_score(y, p, average="weighted"))
    assert metrics["macro_f1"] == pytest.approx(f1_score(y, p, average="macro"))
    assert metrics["accuracy"] == pytest.approx((y == p).double().mean().item())


def test_unknown_labels_count_nowhere(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data, UtteranceClassifier), data).eval()
    batch = next(iter(data.train_dataloader()))
    some = torch.arange(batch.num_utterances) % 2 == 0
    half = dataclasses.replace(batch, labels=torch.where(some, batch.labels, -1))
    loss, _ = task.loss(task.model, half, torch.Generator())
    torch.testing.assert_close(loss, F.cross_entropy(task(batch)[some], batch.labels[some]))
    nothing = dataclasses.replace(batch, labels=torch.full_like(batch.labels, -1))
    assert float(task.loss(task.model, nothing, torch.Generator())[0]) == 0
    with pytest.raises(ValueError, match=r"batch.labels: expected labels to train on, got None"):
        task.loss(task.model, dataclasses.replace(batch, labels=None), torch.Generator())


def test_what_the_data_know_is_taken_when_training_starts(folder, tmp_path) -> None:
    data = make_data(folder, words=4)
    task = make_task(data, class_weight=0.5)
    trainer(tmp_path, max_epochs=1, enable_checkpointing=False).fit(task, data)
    assert task.classes == CLASSES
    assert task.extractors["words"]["kind"] == "tfidf"
    assert task.linker == data.linker_state
    assert task.linker["class_path"].endswith("SharedWordsLinker")
    labels = [u.label for u in data.conversations.utterances if u.split == "train"]
    counts = torch.tensor([labels.count(name) for name in CLASSES])
    torch.testing.assert_close(task.weight_of_class, (counts.sum() / (3 * counts)).sqrt())
    torch.testing.assert_close(task.inputs.mean_audio, data.training_dialogues.features["audio"].mean(0))


def test_preparing_without_a_trainer_is_what_the_start_of_training_does(folder, tmp_path) -> None:
    data = make_data(folder)
    trained, prepared = (make_task(data, UtteranceClassifier, class_weight=0.5, relative=[]) for _ in range(2))
    trainer(tmp_path, max_epochs=1, limit_train_batches=0, enable_checkpointing=False).fit(trained, data)
    prepared.prepare(pack(data.conversations.only("train")))
    for (name, buffer), (_, expected) in zip(prepared.named_buffers(), trained.named_buffers(), strict=True):
        assert torch.equal(buffer, expected), name
    assert float((prepared.weight_of_class - 1).abs().max()) > 0.1
    with pytest.raises(ValueError, match=r"data.labels: expected labels to train on, got None"):
        prepared.prepare(dataclasses.replace(data.training_dialogues, labels=None))


@pytest.mark.parametrize("model", [None, SMALL, BiGRU, functools.partial(SMALL, edge_weight=AttentionWeight)])
def test_a_checkpoint_holds_all_that_prediction_needs(folder, tmp_path, model) -> None:
    data = make_data(folder, words=4)
    task, runner = make_task(data, model), trainer(tmp_path, max_epochs=1)
    runner.fit(task, data)
    path = tmp_path / "task.ckpt"
    runner.save_checkpoint(path)
    loaded = EmotionTask.load_from_checkpoint(path)
    batch = next(iter(data.test_dataloader()))
    assert torch.equal(loaded.eval()(batch), task.eval()(batch))
    assert loaded.classes == CLASSES
    assert loaded.in_channels == data.in_channels
    assert loaded.linker == data.linker_state
    assert torch.equal(loaded.extractors["words"]["components"], task.extractors["words"]["components"])


@pytest.mark.parametrize("model", [SMALL, functools.partial(BiGRU, hidden_channels=8)], ids=["der_gcn", "bigru"])
def test_two_runs_and_a_resumed_one_are_bit_equal(folder, tmp_path, model) -> None:
    states = []
    for resumed in (False, False, True):
        torch.rand(3)  # what was drawn before does not matter
        data, path = make_data(folder), None
        if resumed:
            first = trainer(tmp_path, max_epochs=2)
            first.fit(make_task(data, model), data)
            path = tmp_path / "half.ckpt"
            first.save_checkpoint(path)
            data = make_data(folder)
        task = make_task(data, model)
        trainer(tmp_path, max_epochs=4, enable_checkpointing=False).fit(task, data, ckpt_path=path)
        states.append(torch.cat([value.flatten().double() for value in task.state_dict().values()]))
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_dropout_samples_depend_on_their_seed_alone_and_leave_the_task_as_it_was(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data), data).train()
    task.model.convs["text"].norm.running_mean.fill_(0.1)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    batch = next(iter(data.test_dataloader()))
    first, other, again = (
        task.probabilities(batch, 3),
        task.probabilities(batch, 3, seed=1),
        task.probabilities(batch, 3),
    )
    assert first.shape == (3, batch.num_utterances, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    torch.testing.assert_close(first.sum(2), torch.ones(first.shape[:2]))
    plain = task.probabilities(batch)
    assert plain.shape == (1, batch.num_utterances, 3)
    assert torch.equal(plain, task.probabilities(batch, seed=5))
    assert task.training
    assert task.model.training
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_dropout_samples_reach_the_relation_transformer(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data), data)
    transformer = task.model.transformer
    torch.nn.init.normal_(transformer.query.weight, std=5.0)
    for module in task.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    task.model.convs["text"].dropout.threshold = task.model.convs["audio"].dropout.threshold = 0
    for layer in transformer.layers:
        layer.dropout1.p = layer.dropout2.p = 0.5
    first, second = task.probabilities(next(iter(data.test_dataloader())), 2)
    assert not torch.allclose(first, second)


def relabel(folder: Path, classes: list[str]) -> ConversationDataModule:
    """The same conversations with other classes; labels that are none of them are taken away."""
    table = read_folder(folder)
    rows = [u._replace(label=u.label if u.label in classes else "") for u in table.utterances]
    write_folder(folder, dataclasses.replace(table, utterances=rows, classes=classes))
    return make_data(folder)


def test_classes_in_another_order_or_fewer_are_matched_by_name(folder, tmp_path) -> None:
    data = make_data(folder)
    task, runner = make_task(data), trainer(tmp_path, max_epochs=5, enable_checkpointing=False)
    runner.fit(task, data)
    (expected,) = runner.test(task, data, verbose=False)
    (other_order,) = runner.test(task, relabel(folder, ["neutral", "sad", "happy"]), verbose=False)
    assert other_order == expected
    fewer = relabel(folder, ["neutral", "happy"])
    runner.test(task, fewer, verbose=False)
    assert task.report is not None
    tested = [u.label for u in fewer.conversations.utterances if u.split == "test"]
    assert task.report.support.tolist() == [tested.count(name) for name in CLASSES]
    predictions = torch.cat(runner.predict(task, fewer)).argmax(1).tolist()
    right = [CLASSES[p] == label for p, label in zip(predictions, tested, strict=True) if label]
    assert task.report.accuracy == pytest.approx(sum(right) / len(right))


def test_classes_that_training_did_not_have_are_refused_and_so_is_another_order_when_it_goes_on(
    folder, tmp_path
) -> None:
    data = make_data(folder)
    task, runner = make_task(data), trainer(tmp_path, max_epochs=1)
    runner.fit(task, data)
    runner.save_checkpoint(path := tmp_path / "task.ckpt")
    data = relabel(folder, ["neutral", "sad", "happy"])
    expected = "classes: expected those of the checkpoint, in their order, happy, sad, neutral, got neutral, sad, happy"
    with pytest.raises(UnknownClassError, match=expected):
        trainer(tmp_path, max_epochs=2, enable_checkpointing=False).fit(make_task(data), data, ckpt_path=path)
    with pytest.raises(UnknownClassError, match=r"classes: expected some of .* happy, sad, neutral, got happy, bored"):
        runner.test(task, relabel(folder, ["happy", "bored"]), verbose=False)


def test_an_untrained_task_takes_the_names_of_the_data(folder, tmp_path) -> None:
    data = make_data(folder)
    task = make_task(data)
    trainer(tmp_path).test(task, data, verbose=False)
    assert task.classes == CLASSES


def test_a_class_that_training_never_shows_weighs_nothing(folder, tmp_path) -> None:
    (folder / "classes.txt").write_text("happy\nsad\nneutral\nproud\n")
    data = make_data(folder)
    task = make_task(data, class_weight=1.0)
    trainer(tmp_path, max_epochs=1, enable_checkpointing=False).fit(task, data)
    assert task.weight_of_class[3] == 0
    assert task.weight_of_class[:3].isfinite().all()


def test_relations_share_out_what_an_utterance_takes_in(folder) -> None:
    data = make_data(folder)
    task = fitted(make_task(data), data)
    batch = next(iter(data.test_dataloader()))
    relations = task.relations(batch)
    assert relations is not None
    taken = torch.zeros(batch.num_utterances).index_add_(0, relations.edge_index[1], relations.weight)
    torch.testing.assert_close(taken, torch.ones(batch.num_utterances))
    assert "event" in relations.names
    assert make_task(data, BiGRU).relations(batch) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": -1}, "class_weight: expected at least 0, got -1"),
        ({"contrastive_weight": -0.1}, r"contrastive_weight: expected at least 0, got -0\.1"),
        ({"label_smoothing": 1.0}, r"label_smoothing: expected a share in \[0, 1\), got 1\.0"),
        ({"augment": 3}, r"augment: expected a share in \[0, 1\], got 3"),
    ],
)
def test_options_out_of_range_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        EmotionTask({"text": 3}, 2, **options)
