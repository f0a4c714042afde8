from collections.abc import Callable

import numpy as np
import pytest
import torch

from graphml.annotate.inputs import prepare
from graphml.annotate.prediction import Annotations, annotate, strongest
from graphml.data import Conversations
from graphml.evaluation import decompose
from graphml.tasks import EmotionTask, Relations


def edges(rows: list[tuple[int, int, int, float]], names: list[str]) -> Relations:
    source, target, relation, weight = zip(*rows, strict=True)
    return Relations(torch.tensor([source, target]), torch.tensor(relation), torch.tensor(weight), names)


def test_strongest_agrees_with_a_search_by_hand() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (int(s), int(t), int(r), float(w))
        for s, t, r, w in zip(*rng.integers(0, 9, (3, 300)) % [[9], [9], [2]], rng.random(300), strict=True)
    ]
    rows = list({row[:3]: row for row in rows}.values())
    found = strongest([edges(rows, ["a", "b"])], most=3)
    for target in range(9):
        expected = sorted((row for row in rows if row[1] == target != row[0]), key=lambda row: -row[3])[:3]
        got = [tuple(column[found.target == target]) for column in found[:4]]
        assert list(zip(*got, strict=True)) == [(s, t, r, pytest.approx(w)) for s, t, r, w in expected]


def test_weights_are_means_over_the_models_by_the_names_of_the_relations() -> None:
    one, two = edges([(1, 0, 0, 0.4), (2, 0, 1, 0.9)], ["past", "event"]), edges([(1, 0, 1, 0.8)], ["event", "past"])
    found = strongest([one, two], num_models=2)
    listed = [
        (int(s), found.names[r], round(w, 6))
        for s, r, w in zip(found.source, found.relation, found.weight, strict=True)
    ]
    assert listed == [(1, "past", 0.6), (2, "event", 0.45)]


def test_edges_of_an_utterance_with_itself_are_left_out() -> None:
    assert len(strongest([edges([(0, 0, 0, 1.0)], ["itself"])]).source) == 0


def test_batches_do_not_change_the_annotations(
    talk: Callable[..., Conversations], new_task: Callable[..., EmotionTask]
) -> None:
    conversations = talk(dialogues=4)
    models = [new_task()]
    packed = prepare(conversations, models)
    one, all_ = (annotate(conversations, models, packed, 0, batch_size=size) for size in (1, 16))
    torch.testing.assert_close(one.probabilities, all_.probabilities, atol=1e-5, rtol=0)
    np.testing.assert_array_equal(one.relations.target, all_.relations.target)
    np.testing.assert_allclose(one.relations.weight, all_.relations.weight, atol=1e-6)


def test_dropout_gives_uncertainty_and_the_seed_repeats_it(annotated: Callable[..., Annotations]) -> None:
    one, two, without = annotated(), annotated(), annotated(samples=0)
    assert torch.equal(one.probabilities, two.probabilities)
    assert bool((one.uncertainty.epistemic > 0).all())
    assert without.uncertainty.epistemic.tolist() == [0.0] * 39
    assert (one.method, without.method) == ("Monte-Carlo dropout, 20 passes", "one model, one pass")


def test_several_models_are_an_ensemble_without_dropout(
    talk: Callable[..., Conversations], new_task: Callable[..., EmotionTask]
) -> None:
    conversations = talk()
    models = [new_task(seed=seed) for seed in (0, 1)]
    packed = prepare(conversations, models)
    got = annotate(conversations, models, packed, samples=20)
    with torch.no_grad():
        p = torch.cat([model.probabilities(packed[0].select([0, 1, 2])) for model in models])
    torch.testing.assert_close(got.probabilities, p.double().mean(0))
    torch.testing.assert_close(got.uncertainty.epistemic, decompose(p).epistemic)
    assert got.method == "deep ensemble of 2 models"
