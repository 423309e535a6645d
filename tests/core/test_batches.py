"""Batches that shrink when memory runs out, and that one bad item can't spoil."""

from __future__ import annotations

import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.batches import batches_of_work, is_out_of_memory, one_line, work_in_batches
from nova_bench.core.errors import MediaError, StoreError, UserError


class OutOfMemoryError(RuntimeError):
    """Bears the name of torch's."""


@settings(max_examples=40)  # each collects garbage when memory runs out
@given(
    count=st.integers(0, 40),
    size=st.integers(1, 12),
    memory=st.integers(1, 12),
    bad=st.sets(st.integers(0, 39)),
)
def test_every_item_once_in_order_and_only_the_bad_ones_fail(count, size, memory, bad):
    seen, warnings = [], []

    def work(batch):
        if len(batch) > memory:
            raise OutOfMemoryError("CUDA out of memory")
        seen.append(len(batch))
        for item in batch:
            if item in bad:
                raise ValueError(f"bad {item}")
        return [item * item for item in batch]

    results = list(work_in_batches(range(count), size, work, warnings.append))
    assert [item for item, _ in results] == list(range(count))
    for item, result in results:
        assert str(result) == f"bad {item}" if item in bad else result == item * item
    assert max(seen, default=0) <= min(size, memory)
    assert len(warnings) <= 4, "12 -> 6 -> 3 -> 1 and never again"
    assert bool(warnings) == (min(size, count) > memory)


def test_batches_come_as_they_were_worked():
    batches = list(batches_of_work("abcde", 2, lambda batch: [item.upper() for item in batch], pytest.fail))
    assert batches == [[("a", "A"), ("b", "B")], [("c", "C"), ("d", "D")], [("e", "E")]]


def test_one_item_too_large_for_memory_fails_alone():
    def work(batch):
        raise MemoryError

    ((item, error),) = work_in_batches(["x"], 4, work, pytest.fail)
    assert item == "x"
    assert isinstance(error, MemoryError)


def test_an_error_of_the_user_stops_everything():
    def work(batch):
        raise StoreError("full", "free space")

    with pytest.raises(UserError, match="full"):
        list(work_in_batches([1, 2], 2, work, pytest.fail))


def test_an_error_of_one_video_is_its_own():
    def work(batch):
        if 2 in batch:
            raise MediaError("of another size")
        return batch

    (_, first), (_, second), (_, third) = work_in_batches([1, 2, 3], 3, work, pytest.fail)
    assert (first, one_line(second), third) == (1, "of another size", 3)


def test_a_wrong_number_of_results_is_an_error_of_those_items():
    results = list(work_in_batches([1, 2, 3], 2, lambda batch: [0] if len(batch) == 1 else [0, 0, 0], pytest.fail))
    assert results == [(1, 0), (2, 0), (3, 0)]
    ((_, error),) = work_in_batches([1], 2, lambda batch: [], pytest.fail)
    assert one_line(error) == "ValueError: 0 results for 1 samples"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("anything"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_memory(error, expected):
    assert is_out_of_memory(error) is expected


class _Tensor:
    """Stands for memory on a device."""


@pytest.mark.parametrize("kept", [False, True], ids=["one error", "an error with a cause"])
def test_memory_of_a_failed_batch_is_given_back_before_the_next_try(kept):
    alive = []

    def fail(batch, held):
        raise MemoryError

    def work(batch):
        assert not [reference for reference in alive if reference() is not None], "nothing of the last try is held"
        held = _Tensor()
        alive.append(weakref.ref(held))
        try:
            if len(batch) > 1:
                fail(batch, held)
        except MemoryError as error:
            if kept:
                raise OutOfMemoryError("wrapped") from error
            raise
        del held
        return batch

    told = []
    assert [result for _, result in work_in_batches([1, 2, 3, 4], 4, work, told.append)] == [1, 2, 3, 4]
    assert told == [
        "out of memory with a batch of 4; continuing with 2",
        "out of memory with a batch of 2; continuing with 1",
    ]


def test_an_error_that_is_kept_holds_no_memory():
    def work(batch):
        held = _Tensor()
        alive.append(weakref.ref(held))
        raise MemoryError

    alive: list = []
    ((_, error),) = work_in_batches([1], 1, work, pytest.fail)
    assert isinstance(error, MemoryError)
    assert alive[0]() is None


def test_errors_in_one_line():
    assert one_line(ValueError("two\n  lines")) == "ValueError: two lines"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(UserError("what", "remedy")) == "what (remedy)"


def test_work_that_tries_to_end_the_program_fails_like_any_other():
    def work(batch):
        if 2 in batch:
            raise SystemExit(3)
        return batch

    results = dict(work_in_batches([1, 2, 3], 3, work, print))
    assert (results[1], results[3]) == (1, 3)
    assert isinstance(results[2], Exception), "callers tell results from failures by that"
    assert one_line(results[2]) == "RuntimeError: tried to end the program (SystemExit: 3)"
