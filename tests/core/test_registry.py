"""Names: built in, offered by other packages, and the nearest one for a wrong name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from nova_bench.core import registry as names
from nova_bench.core.errors import UserError
from nova_bench.core.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


PSNR, SSIM, EXTRA, TAKEN = Thing("psnr"), Thing("ssim"), Thing("extra"), Thing("psnr")


def registry(monkeypatch: pytest.MonkeyPatch, **offered: str) -> Registry[Thing]:
    """A registry of two built-in things, and other packages that offer these entry points."""
    points = EntryPoints(EntryPoint(name, value, "things") for name, value in offered.items())
    monkeypatch.setattr(names, "entry_points", lambda group: points.select(group=group))
    built_in = {"psnr": f"{__name__}:PSNR", "ssim": f"{__name__}:SSIM"}
    return Registry("thing", "things", f"{__name__}:Thing", built_in)


def test_another_package_adds_a_thing_but_takes_no_name(monkeypatch):
    things = registry(monkeypatch, extra=f"{__name__}:EXTRA", psnr=f"{__name__}:TAKEN")
    assert things.get("extra") is EXTRA
    assert things.get("psnr") is PSNR
    assert set(things.all()) == {"psnr", "ssim", "extra"}


@pytest.mark.parametrize(
    ("wrong", "right"), [("psrn", "did you mean 'psnr'"), ("extre", "did you mean 'extra'"), ("zzzz", "known: extra,")]
)
def test_an_unknown_name_says_what_there_is(monkeypatch, wrong, right):
    things = registry(monkeypatch, extra=f"{__name__}:EXTRA")
    with pytest.raises(UserError, match=f"unknown thing '{wrong}'.*{right}"):
        things.get(wrong)


def test_an_unusable_thing_is_named_when_asked_for_and_left_out_of_lists(monkeypatch):
    things = registry(monkeypatch, broken="no_such_module_at_all:INFO", other=f"{__name__}:EXTRA", wrong="json:loads")
    with pytest.raises(UserError, match=r"thing 'broken' of .* can't be imported: .*no_such_module_at_all"):
        things.get("broken")
    for name in ("other", "wrong"):
        with pytest.raises(UserError, match=f"thing '{name}' of .* is not a Thing of that name"):
            things.get(name)
    with pytest.warns(UserWarning, match="repair or uninstall"):
        assert set(things.all()) == {"psnr", "ssim"}
