"""mPLUG's own beam search (`TextGenerator`, from PreSumm): it ends when its best row ends, and may answer another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

_EXPONENT = 0.6  # of the length penalty


@dataclass(frozen=True)
class Rules:
    """How answers are searched. ``longest`` counts the steps, at the last of which every row counts as ended."""

    begin: int = 101
    end: int = 102
    beams: int = 5
    shortest: int = 1
    longest: int = 10


@dataclass(frozen=True)
class Hypothesis:
    """A possible answer: its ids with the begin, and its summed log-probability over the penalty of its length."""

    score: float
    ids: list[int]


@dataclass
class _Item:
    """The rows of one question, and what they have ended with so far."""

    index: int
    rows: list[list[int]]
    found: list[Hypothesis] = field(default_factory=list)


def search(
    step: Callable[[Tensor, Tensor], Tensor], count: int, rules: Rules, device: torch.device | str
) -> list[list[Hypothesis]]:
    """All hypotheses of each of ``count`` questions, the best first; of equal ones, the first that was found.

    ``step(rows, tokens)`` goes on with these of the former rows, each followed by its token, and returns logits
    [rows, vocabulary] of the next one. The first call has one row for each question, later ones have
    ``rules.beams`` for each question that still runs, side by side.

    A row that has ended goes on like any other as long as the best row hasn't. Its continuations may end again.
    """
    items = [_Item(index, [[rules.begin]] * rules.beams) for index in range(count)]
    answers: list[list[Hypothesis]] = [[] for _ in items]
    parents, last = torch.arange(count, device=device), torch.full((count,), rules.begin, device=device)
    totals = torch.zeros(count, rules.beams, device=device)
    totals[:, 1:] = -torch.inf
    for number in range(rules.longest):
        logits = step(parents, last)
        if number == 0:  # all rows of a question are equal
            logits = logits.repeat_interleave(rules.beams, dim=0)
        chances = logits.softmax(dim=1).log()
        if number < rules.shortest:
            chances[:, rules.end] = -1e20
        penalty = ((5.0 + (number + 1)) / 6.0) ** _EXPONENT
        scores = (chances.view(len(items), rules.beams, -1) + totals[..., None]) / penalty
        best, places = scores.flatten(1).topk(rules.beams, dim=1)
        totals = best * penalty
        words = logits.shape[1]
        ended = [
            _extend(item, row_places, row_scores, words, rules, last_step=number + 1 == rules.longest)
            for item, row_places, row_scores in zip(items, places.tolist(), best.tolist(), strict=True)
        ]
        for item in items:
            answers[item.index] = item.found
        running = [place for place, end in enumerate(ended) if not end]
        if not running:
            break
        kept = torch.tensor(running, device=device)
        first_rows = kept[:, None] * (1 if number == 0 else rules.beams)
        parents = (first_rows + (0 if number == 0 else places[kept] // words)).expand(-1, rules.beams).flatten()
        last, totals = (places[kept] % words).flatten(), totals[kept]
        items = [items[place] for place in running]
    return [sorted(found, key=lambda one: -one.score) for found in answers]


def _extend(item: _Item, places: list[int], scores: list[float], words: int, rules: Rules, last_step: bool) -> bool:
    """Give the rows their next token and note those that end. Returns whether the question is done."""
    item.rows = [[*item.rows[place // words], place % words] for place in places]
    ends = [last_step or row[-1] == rules.end for row in item.rows]
    item.found += [
        Hypothesis(score, row)
        for row, score, end in zip(item.rows, scores, ends, strict=True)
        if end or ends[0]  # with the best row all of them end
    ]
    return ends[0]
