import pytest
import torch

from graphml.evaluation import KnownAnswers, filtered_ranks


def naive_rank(scores: list[float], target: int, true: set[int]) -> float:
    """Mean place of the target in any order of the equal scores, without the other true entities."""
    rivals = [score for entity, score in enumerate(scores) if entity != target and entity not in true]
    better = sum(score > scores[target] for score in rivals)
    equal = sum(score == scores[target] for score in rivals)
    return sum(better + 1 + ahead for ahead in range(equal + 1)) / (equal + 1)


def test_against_a_loop_over_random_graphs_with_many_ties():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        heads, tails = torch.randint(7, (2, 30), generator=generator)
        relations = torch.randint(3, (30,), generator=generator)
        scores = torch.randint(4, (30, 7), generator=generator).float()
        known = KnownAnswers(heads, relations, tails)
        facts = set(zip(heads.tolist(), relations.tolist(), tails.tolist(), strict=True))
        expected = [
            naive_rank(row, t, {e for e in range(7) if (h, r, e) in facts})
            for row, h, r, t in zip(scores.tolist(), heads.tolist(), relations.tolist(), tails.tolist(), strict=True)
        ]
        assert filtered_ranks(scores, tails, known(heads, relations)).tolist() == expected


def test_answers_of_queries_that_are_known_and_that_are_not():
    known = KnownAnswers(torch.tensor([3, 0, 3, 3]), torch.tensor([1, 0, 1, 0]), torch.tensor([5, 6, 7, 8]))
    row, answer = known(torch.tensor([3, 2, 0, 3]), torch.tensor([1, 1, 0, 1]))
    assert list(zip(row.tolist(), answer.tolist(), strict=True)) == [(0, 5), (0, 7), (2, 6), (3, 5), (3, 7)]


def test_no_known_triples():
    none = torch.zeros(0, dtype=torch.long)
    row, answer = KnownAnswers(none, none, none)(torch.tensor([0]), torch.tensor([0]))
    assert (len(row), len(answer)) == (0, 0)


def test_a_constant_model_gets_the_middle_rank():
    none = torch.zeros(0, dtype=torch.long)
    assert filtered_ranks(torch.zeros(2, 9), torch.tensor([0, 8]), (none, none)).tolist() == [5.0, 5.0]


@pytest.mark.parametrize("broken", ["target", "rivals"])
def test_scores_that_are_no_numbers_gain_nothing(broken):
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    scores[0, [2] if broken == "target" else [0, 1]] = float("nan")
    none = torch.zeros(0, dtype=torch.long)
    assert filtered_ranks(scores, torch.tensor([2]), (none, none)).tolist() == [3.0]


def test_scores_are_left_as_they_are():
    scores = torch.rand(2, 4)
    before = scores.clone()
    filtered_ranks(scores, torch.tensor([0, 1]), (torch.tensor([0]), torch.tensor([3])))
    assert torch.equal(scores, before)
