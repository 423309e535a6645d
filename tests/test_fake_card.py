"""The fake card catches planted mistakes, and lets what is right pass with the CPU's numbers."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from tests.fake_card import MEMORY, Card, CardError, fake_card


def two_devices(card: Card) -> None:
    torch.ones(3, device="cuda") + torch.ones(3)


def weights_left_behind(card: Card) -> None:
    nn.Linear(4, 4)(torch.ones(2, 4, device="cuda"))


def an_index_table_made_on_the_cpu(card: Card) -> None:
    torch.ones(3, 4, device="cuda").gather(1, torch.zeros(3, 1, dtype=torch.long))


def a_mask_of_the_cpu(card: Card) -> None:
    torch.ones(3, device="cuda").masked_fill(torch.tensor([True, False, True]), 0.0)


def a_generator_of_the_cpu(card: Card) -> None:
    torch.randn(3, generator=torch.Generator().manual_seed(1), device="cuda")


def a_generator_of_the_card(card: Card) -> None:
    torch.rand(3, generator=torch.Generator("cuda").manual_seed(1))


def straight_to_numpy(card: Card) -> None:
    torch.ones(3, device="cuda").numpy()


def numpy_by_its_own_function(card: Card) -> None:
    np.asarray(torch.ones(3, device="cuda"))


def a_number_in_the_loop(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with card.no_waiting("the loop"):
        x.sum().item()


def a_branch_in_the_loop(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with card.no_waiting("the loop"):
        assert x.max() > 0


def a_mask_index_in_the_loop(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with card.no_waiting("the loop"):
        x[x > 0]


def a_copy_back_in_the_loop(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with card.no_waiting("the loop"):
        x.cpu()


def a_number_in_a_graph(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        (x * x.sum().item()).add_(1)


def a_table_copied_in_a_graph(card: Card) -> None:
    x = torch.ones(3, device="cuda")
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        x * torch.arange(3.0).to("cuda")


PLANTED = [
    two_devices,
    weights_left_behind,
    an_index_table_made_on_the_cpu,
    a_mask_of_the_cpu,
    a_generator_of_the_cpu,
    a_generator_of_the_card,
    straight_to_numpy,
    numpy_by_its_own_function,
    a_number_in_the_loop,
    a_branch_in_the_loop,
    a_mask_index_in_the_loop,
    a_copy_back_in_the_loop,
    a_number_in_a_graph,
    a_table_copied_in_a_graph,
]


@pytest.mark.parametrize("mistake", PLANTED, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_is_caught(mistake: Callable[[Card], None]) -> None:
    with fake_card() as card, pytest.raises(CardError):
        mistake(card)


def replay_that_was_forgotten() -> torch.Tensor:
    x = torch.ones(3, device="cuda")
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        out = x * 2
    return out.cpu()


def test_what_a_graph_captured_has_no_numbers_before_it_is_replayed() -> None:
    with fake_card():
        assert replay_that_was_forgotten().isnan().all()


def test_a_graph_reads_its_inputs_again_at_each_replay() -> None:
    with fake_card():
        x, graph = torch.ones(3, device="cuda"), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = x[1:] * 2
            out = y.exp().sum() + x.new_zeros(1)
        for value in (0.0, 1.0):
            x.fill_(value)
            graph.replay()
            torch.testing.assert_close(out.cpu(), torch.tensor([2 * float(np.exp(2 * value))]))


def network(x: torch.Tensor, weights: nn.Module) -> torch.Tensor:
    """Indices of every kind, views, attention, convolution, norms, in-place work."""
    y = weights(x)
    y[:, 1:, ..., 0] = y[:, :1, ..., 1]
    y[y.argmax(0).argmax(), 0] += 3
    y = torch.cat([y[..., None, :].squeeze(-2), y.flip(1)], 1)[:, [2, 0, 1]]
    y = nn.functional.scaled_dot_product_attention(y[None], y[None], y[None])[0]
    z = nn.functional.conv1d(y, y[:2, :, :3].contiguous()).transpose(1, 2).contiguous()
    z.mul_(0.5).clamp_(min=-1)
    return nn.functional.layer_norm(z, z.shape[-1:]) + torch.arange(z.shape[-1], device=z.device, dtype=z.dtype)


def test_what_is_right_passes_with_the_cpu_s_numbers() -> None:
    torch.manual_seed(0)
    x, weights = torch.randn(4, 5, 6), nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8))
    with torch.inference_mode():
        expected = network(x.clone(), weights)
    with fake_card(), torch.inference_mode():
        found = network(x.to("cuda"), weights.to("cuda"))
        assert found.is_cuda
        torch.testing.assert_close(found.cpu(), expected)


def test_memory_is_counted_and_given_back() -> None:
    with fake_card() as card:
        kept = torch.zeros(1000, device="cuda")
        before = card.allocated
        big = torch.zeros(250_000, device="cuda")
        assert card.allocated - before == 1_000_000
        assert torch.cuda.mem_get_info()[0] == MEMORY - card.allocated
        view = big[10:]
        del big
        gc.collect()
        assert card.allocated - before == 1_000_000, "the view holds it"
        del view
        gc.collect()
        assert card.allocated == before == kept.nbytes
        assert card.peak >= 1_000_000


@pytest.mark.parametrize("at", [1, 3])
def test_the_nth_allocation_runs_out_of_memory(at: int) -> None:
    with fake_card(fail_at=at) as card:
        for _ in range(at - 1):
            torch.zeros(3, device="cuda")
        with pytest.raises(torch.cuda.OutOfMemoryError, match="CUDA out of memory"):
            torch.zeros(3, device="cuda")
        assert card.allocations == at


def test_afterwards_torch_is_as_before() -> None:
    before = torch.cuda.is_available(), torch.Generator, torch.cuda.CUDAGraph
    with fake_card():
        assert torch.cuda.is_available()
    assert (torch.cuda.is_available(), torch.Generator, torch.cuda.CUDAGraph) == before
