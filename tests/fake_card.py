"""A CUDA device that isn't there: ``device="cuda"`` runs on the CPU, with real numbers and a GPU's rules.

Inside :func:`fake_card` tensors on "cuda" keep their numbers in memory of the CPU. What a real device refuses or
punishes is an error here: tensors of two devices in one operation, a generator of another device, a tensor of the
device given to NumPy, a wait for the device while a graph is captured or where the test forbids it, a copy from the CPU
into a captured graph.
Allocations are counted, and the n-th one can run out of memory. A captured graph replays its operations on the same
tensors; until then its outputs are not numbers. Autograd works as far as operations have derivatives of their own.

Limits: kernels round as on the CPU, streams are one stream, and nothing is compiled.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # before anything is replaced: its tables list torch's functions
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.card_driver import load_driver

HAS_DRIVER = load_driver()
"""Whether operations that torch's C++ code takes apart find the device; without a compiler some of them don't."""
CARD = torch.device("cuda", 0)
MEMORY = 80 * 2**30
_aten = torch.ops.aten
_WAITS = {
    _aten._local_scalar_dense.default,
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten.equal.default,
    _aten.is_nonzero.default,
    _aten.repeat_interleave.Tensor,
    _aten._unique2.default,
    _aten.unique_consecutive.default,
}
"""Operations whose result, or its size, the CPU waits for."""
_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
_INDEXING = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}
_BETWEEN_DEVICES = {_aten._to_copy.default, _aten.copy_.default, _aten.set_.source_Storage}


class CardError(AssertionError):
    """Something that a real device refuses, or that slows it down where the test forbids it."""


class CardTensor(torch.Tensor):
    """A tensor that says it is on the device; ``numbers`` is where its numbers are."""

    numbers: torch.Tensor

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> CardTensor:
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=CARD,
            requires_grad=False,
        )
        self.numbers = numbers
        return self

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"CardTensor({self.numbers!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert _card is not None, "a tensor of the fake card outside of it"
        return _card.run(func, args, kwargs or {})


_places: dict[int, torch.device] = {}
"""Where each generator is, by its address: operations see another Python object for it."""


class CardGenerator(torch.Generator):
    """A generator that knows on which device it was asked for; its numbers are the CPU's."""

    def __new__(cls, device: Any = "cpu") -> CardGenerator:
        self = super().__new__(cls)
        self.place = CARD if torch.device(device).type == "cuda" else torch.device("cpu")
        _places[self._cdata] = self.place
        return self

    def __del__(self) -> None:
        _places.pop(self._cdata, None)

    @property
    def device(self) -> torch.device:
        return self.place


class Stream:
    """The only one: nothing runs beside anything else."""

    def wait_stream(self, other: Stream) -> None: ...

    def synchronize(self) -> None: ...


class Event:
    """A moment of a stream, which here is the host's."""

    def __init__(self, enable_timing: bool = False) -> None:
        self._timing, self._at = enable_timing, 0.0

    def record(self, stream: Stream | None = None) -> None:
        self._at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds; like CUDA's, only between events that were recorded and that take the time."""
        if not (self._timing and end._timing and self._at and end._at):
            raise CardError("elapsed_time of an event without timing, or that wasn't recorded")
        return 1000 * (end._at - self._at)


class Graph:
    """A captured graph: its operations with the tensors that they read and write."""

    def __init__(self) -> None:
        self.operations: list[tuple[Callable[..., Any], Any, Any, list[torch.Tensor]]] = []

    def replay(self) -> None:
        for func, args, kwargs, outputs in self.operations:
            new = [leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, torch.Tensor)]
            for output, value in zip(outputs, new, strict=True):
                if output.untyped_storage().data_ptr() != value.untyped_storage().data_ptr():
                    output.copy_(value)


class Card:
    """The device's state: rules in force, what is allocated, and what was captured."""

    def __init__(self, fail_at: int | None = None):
        self.fail_at = fail_at
        """The allocation, counted from 1, that runs out of memory; None: none does."""
        self.operations = self.allocations = self.allocated = self.peak = self.graphs = 0
        self.waits: list[str] = []
        """Operations for whose result the CPU waited."""
        self._forbidden = ""
        self._graph: Graph | None = None

    @contextmanager
    def no_waiting(self, where: str) -> Iterator[None]:
        """Inside, the CPU may not wait for the device."""
        before, self._forbidden = self._forbidden, where
        try:
            yield
        finally:
            self._forbidden = before

    @contextmanager
    def capture(self, graph: Graph) -> Iterator[None]:
        """Record operations. Their outputs then hold no numbers, since a device runs nothing while it captures."""
        self._graph = graph
        self.graphs += 1
        try:
            with self.no_waiting("a captured graph"):
                yield
        finally:
            self._graph = None
        given, made = set(), set()
        for _, args, kwargs, outputs in graph.operations:
            given |= {_place(tensor) for tensor in _tensors((args, kwargs))} - made
            made |= {_place(output) for output in outputs} - given
            for output in outputs:
                if output.is_floating_point() and _place(output) in made:
                    output.fill_(float("nan"))

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """One operation, with everything checked that a device would."""
        tensors = _tensors((args, kwargs))
        here = [tensor for tensor in tensors if isinstance(tensor, CardTensor)]
        asked = kwargs.get("device")
        to_card = torch.device(asked).type == "cuda" if asked is not None else bool(here)
        concerned = here or any(_is_card(leaf) for leaf in tree_leaves((args, kwargs)))
        if concerned and _COMPOSITE not in func.py_kernels:  # those in Python ask for the driver
            with _Operations(self):  # operations that consist of others; outside inference mode, autograd does this
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        place = _places.get(kwargs["generator"]._cdata) if kwargs.get("generator") is not None else None
        if place is not None and (place.type == "cuda") != to_card:
            raise CardError(f"{func}: a generator of {place} for a tensor on {'cuda' if to_card else 'cpu'}")
        if here or to_card:
            self._check(func, args, tensors, here, to_card)
        if func is _aten._fused_sdp_choice.default:
            return 0  # attention written out: the fused kernels of a GPU have no CPU implementation
        plain_args, plain_kwargs = tree_map(_numbers, args), tree_map(_numbers, kwargs)
        if asked is not None:
            plain_kwargs["device"] = torch.device("cpu")
        before = {_place(tensor) for tensor in _tensors((plain_args, plain_kwargs))}
        out = func(*plain_args, **plain_kwargs)
        if not to_card:
            return out
        self.operations += 1
        for tensor in _tensors(out):
            if _place(tensor) not in before:
                self._allocate(tensor)
        if self._graph is not None:
            self._graph.operations.append((func, plain_args, plain_kwargs, _tensors(out)))
        if func._schema.name.endswith("_"):
            return args[0] if func._schema.returns else None
        if "out" in kwargs:
            return kwargs["out"]
        # In inference mode, a view of a tensor from outside is none of that mode either.
        outside = any(not tensor.is_inference() for tensor in here)
        is_view = any(_place(tensor) in before for tensor in _tensors(out))
        with torch.inference_mode(False) if outside and is_view else nullcontext():
            return tree_map(lambda leaf: CardTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf, out)

    def _check(self, func: Any, args: Any, tensors: list, here: list, to_card: bool) -> None:
        name = str(func).removeprefix("aten.")
        elsewhere = [tensor for tensor in tensors if not isinstance(tensor, CardTensor)]
        # Indices may be on the CPU, from where they are copied; what is indexed and what is put there may not.
        indexes = func in _INDEXING and isinstance(args[0], CardTensor)
        strict = [t for t in elsewhere if t.dim() and not (indexes and any(t is index for index in _tensors(args[1])))]
        if here and func not in _BETWEEN_DEVICES and strict:
            raise CardError(f"{name}: expected all tensors on the same device, found cuda:0 and cpu")
        leaves_card = func is _aten._to_copy.default and here and not to_card
        reads_card = func is _aten.copy_.default and not isinstance(args[0], CardTensor)
        picks = func in _INDEXING and any(tensor.dtype == torch.bool for tensor in _tensors(args[1]))
        if func in _WAITS or leaves_card or reads_card or picks:
            self.waits.append(name)
            if self._forbidden:
                raise CardError(f"{name} waits for the device inside {self._forbidden}")
        if self._graph is not None and elsewhere and (func in _BETWEEN_DEVICES or indexes):
            raise CardError(f"{name} copies from the CPU inside a captured graph")

    def _allocate(self, tensor: torch.Tensor) -> None:
        self.allocations += 1
        if self.allocations == self.fail_at:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        storage = tensor.untyped_storage()
        self.allocated += storage.nbytes()
        self.peak = max(self.peak, self.allocated)
        weakref.finalize(storage, self._release, storage.nbytes())

    def _release(self, size: int) -> None:
        self.allocated -= size


class _Operations(TorchDispatchMode):
    """Sees operations that have no tensor of the device among their arguments, such as those that make one."""

    def __init__(self, card: Card):
        super().__init__()
        self._card = card

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._card.run(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """Replaces what asks torch's C++ code for a device that this build doesn't have."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {name: _indexed(value) if name == "device" else value for name, value in (kwargs or {}).items()}
        kwargs.pop("pin_memory", None)  # all memory here is the host's
        if func is torch.Tensor.cuda:
            return args[0].to(CARD)
        if func is torch.Tensor.pin_memory:
            return args[0]
        if func is torch.Tensor.to:
            args = tuple(map(_indexed, args))
        if func in (torch.tensor, torch.as_tensor, torch.asarray) and kwargs.get("device") == CARD:
            data = _plain(kwargs.pop("data", None) if not args else args[0])
            made = data if isinstance(data, torch.Tensor) else func(data, **{**kwargs, "device": "cpu"})
            return made.to(CARD, kwargs.get("dtype") or made.dtype)
        if func is torch.Tensor.new_tensor and isinstance(args[0], CardTensor):
            return torch.tensor(args[1], **{"dtype": args[0].dtype, **kwargs}).to(CARD)
        if func in _GUARDED and isinstance(args[0], CardTensor):
            return _GUARDED[func](*args, **kwargs)
        return func(*args, **kwargs)


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _is_card(leaf: Any) -> bool:
    return isinstance(leaf, torch.device) and leaf.type == "cuda"


def _numbers(leaf: Any) -> Any:
    return leaf.numbers if isinstance(leaf, CardTensor) else leaf


def _place(tensor: torch.Tensor) -> int:
    return _numbers(tensor).untyped_storage().data_ptr()


def _indexed(value: Any) -> Any:
    """ "cuda" with its number, which this build can't look up."""
    if isinstance(value, str) and not value.startswith("cuda"):
        return value
    return CARD if isinstance(value, str | torch.device) and torch.device(value).type == "cuda" else value


def _sliced(tensor: torch.Tensor, index: Any) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """A view by the plain parts of an index, and the tensors among them, by dimension."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part.dim() if _is_mask(part) else 1 for part in parts if part is not None and part is not Ellipsis)
    if any(part is Ellipsis for part in parts):
        at = next(place for place, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (tensor.dim() - used)
    view, dim, chosen = tensor, 0, []
    for part in parts:
        if part is None:
            view, dim = view.unsqueeze(dim), dim + 1
        elif isinstance(part, slice):
            view, dim = _aten.slice.Tensor(view, dim, part.start, part.stop, part.step or 1), dim + 1
        elif isinstance(part, int):
            view = view.select(dim, part)
        else:
            where = part if isinstance(part, torch.Tensor) else torch.tensor(part).to(tensor.device)
            chosen.append((dim, where))
            dim += where.dim() if _is_mask(where) else 1
    tensors: list[torch.Tensor | None] = [None] * (max((at for at, _ in chosen), default=-1) + 1)
    for at, where in chosen:
        tensors[at] = where
    return view, tensors


def _is_mask(part: Any) -> bool:
    return isinstance(part, torch.Tensor) and part.dtype == torch.bool


def _picked(tensor: torch.Tensor, index: Any) -> torch.Tensor:
    view, tensors = _sliced(tensor, index)
    return _aten.index.Tensor(view, tensors) if tensors else view


def _put(tensor: torch.Tensor, index: Any, value: Any) -> None:
    view, tensors = _sliced(tensor, index)
    if tensors:
        value = value if isinstance(value, torch.Tensor) else torch.full((), value, dtype=view.dtype, device=CARD)
        _aten.index_put_.default(view, tensors, value)
    elif isinstance(value, torch.Tensor):
        _aten.copy_.default(view, value)
    else:
        _aten.fill_.Scalar(view, value)


def _array(tensor: torch.Tensor, *_: Any, **__: Any) -> None:
    raise CardError("numpy: a tensor on cuda:0 can't become an array; copy it to the CPU first")


def _contiguous(tensor: torch.Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    if tensor.is_contiguous(memory_format=memory_format):
        return tensor
    return _aten.clone.default(tensor, memory_format=memory_format)


def _plain(data: Any) -> Any:
    """Lists of numbers of the card as lists of numbers: each is waited for."""
    if isinstance(data, list | tuple):
        return [_plain(entry) for entry in data]
    return _number(data) if isinstance(data, CardTensor) and data.dim() == 0 else data


def _number(tensor: torch.Tensor) -> Any:
    return _aten._local_scalar_dense.default(tensor)


_GUARDED: dict[Any, Callable[..., Any]] = {
    torch.Tensor.__getitem__: _picked,
    torch.Tensor.__setitem__: _put,
    torch.Tensor.contiguous: _contiguous,
    torch.Tensor.copy_: _aten.copy_.default,
    torch.Tensor.numpy: _array,
    torch.Tensor.__array__: _array,
    torch.Tensor.item: _number,
    torch.Tensor.tolist: lambda tensor: tensor.cpu().tolist(),
    torch.Tensor.__bool__: lambda tensor: bool(_number(tensor)),
    torch.Tensor.__int__: lambda tensor: int(_number(tensor)),
    torch.Tensor.__float__: lambda tensor: float(_number(tensor)),
    torch.Tensor.__index__: lambda tensor: int(_number(tensor)),
}
"""Methods that look for the device's driver before any operation is seen."""
# Inside an operation that is taken apart, as to count its products, methods are called past every mode.
CardTensor.contiguous = _contiguous  # type: ignore[method-assign]
_card: Card | None = None


@contextmanager
def fake_card(fail_at: int | None = None) -> Iterator[Card]:
    """Inside, there is one CUDA device. ``fail_at``: the allocation that runs out of memory."""
    global _card
    card = _card = Card(fail_at)
    stream = Stream()
    properties = SimpleNamespace(name="fake card", total_memory=MEMORY, uuid="00000000", major=9, minor=0)
    nothing = lambda *_, **__: None  # noqa: E731
    replaced: Sequence[tuple[str, Any]] = (
        ("_lazy_init", nothing),
        ("is_available", lambda: True),
        ("device_count", lambda: 1),
        ("current_device", lambda: 0),
        ("synchronize", nothing),
        ("empty_cache", nothing),
        ("mem_get_info", lambda *_: (MEMORY - card.allocated, MEMORY)),
        ("memory_allocated", lambda *_: card.allocated),
        ("memory_reserved", lambda *_: card.allocated),
        ("max_memory_allocated", lambda *_: card.peak),
        ("reset_peak_memory_stats", lambda *_: setattr(card, "peak", card.allocated)),
        ("get_device_properties", lambda *_: properties),
        ("get_rng_state", lambda *_: torch.get_rng_state()),
        ("set_rng_state", nothing),
        ("Event", Event),
        ("Stream", Stream),
        ("current_stream", lambda *_: stream),
        ("stream", lambda *_: nullcontext()),
        ("CUDAGraph", Graph),
        ("graph", lambda graph, pool=None: card.capture(graph)),
        ("graph_pool_handle", lambda: "pool"),
    )
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    patches = [patch.object(torch.cuda, name, value) for name, value in replaced]
    patches.append(patch.object(torch, "Generator", CardGenerator))
    for each in patches:
        each.start()
    try:
        with _Calls(), _Operations(card):
            yield card
    finally:
        for each in patches:
            each.stop()
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
        _card = None
