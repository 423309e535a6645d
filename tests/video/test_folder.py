"""Searching a folder: every entry is a file to score or is left out with its reason."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.video import folder as folder_module
from nova_bench.video.folder import BROKEN_LINK, HIDDEN, LOOP, SPECIAL, TYPE, UNREADABLE, list_media

SUFFIXES = {".mp4", ".png"}


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "v", "one.mp4", "deep/two.MP4")
    put(tmp_path / "other", "three.mp4", "deeper/four.Png")
    (tmp_path / "v/linked").symlink_to(tmp_path / "other")
    found = list_media(tmp_path / "v", SUFFIXES)
    assert names(found.files) == ["deep/two.MP4", "linked/deeper/four.Png", "linked/three.mp4", "one.mp4"]
    assert found.left_out == {}


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path / "v", "a/one.mp4")
    put(tmp_path / "other", "two.mp4")
    (tmp_path / "v/a/up").symlink_to(tmp_path / "v")
    (tmp_path / "v/above").symlink_to(tmp_path)
    (tmp_path / "v/out").symlink_to(tmp_path / "other")
    (tmp_path / "other/back").symlink_to(tmp_path / "v/a")
    (tmp_path / "v/twice").symlink_to(tmp_path / "other")
    (tmp_path / "v/itself").symlink_to("itself")
    found = list_media(tmp_path / "v", SUFFIXES)
    assert names(found.files) == ["a/one.mp4", "out/two.mp4"]
    loops = dict.fromkeys(map(Path, ["a/up", "above", "out/back", "twice"]), LOOP)
    assert found.left_out == {**loops, Path("itself"): BROKEN_LINK}


def test_a_folder_counts_at_its_own_place_before_any_link_to_it(tmp_path: Path) -> None:
    put(tmp_path, "z/one.mp4")
    (tmp_path / "a").symlink_to("z")
    found = list_media(tmp_path, SUFFIXES)
    assert (names(found.files), found.left_out) == (["z/one.mp4"], {Path("a"): LOOP})


def test_each_entry_has_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "one.mp4", "notes.txt", "no suffix", "four.xyz", ".hidden.mp4", ".cache/x.mp4")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    found = list_media(tmp_path, SUFFIXES)
    assert names(found.files) == ["gone.mp4", "one.mp4", "pipe.mp4"]  # what has such a name is a sample that fails
    assert {str(path): reason for path, reason in found.left_out.items()} == {
        ".cache": HIDDEN,
        ".hidden.mp4": HIDDEN,
        "four.xyz": TYPE,
        "gone": BROKEN_LINK,
        "no suffix": TYPE,
        "notes.txt": TYPE,
        "pipe": SPECIAL,
    }
    told = found.sentence("are not scored")
    assert told.startswith(
        "7 of 10 entries are not scored: 2 hidden ('.cache', '.hidden.mp4'), 3 of an unsupported type"
    )
    assert all(suffix in told for suffix in (".txt", ".xyz", "no suffix"))
    assert "four.xyz: of an unsupported type" in found.reasons()


def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "one.mp4", "locked/two.mp4")
    scandir = os.scandir

    def refuse(place: Path) -> object:
        if Path(place).name == "locked":
            raise PermissionError("denied")
        return scandir(place)

    monkeypatch.setattr(folder_module.os, "scandir", refuse)
    found = list_media(tmp_path, SUFFIXES)
    assert (names(found.files), found.left_out) == (["one.mp4"], {Path("locked"): UNREADABLE})


def test_a_folder_apart_is_no_part_of_it(tmp_path: Path) -> None:
    put(tmp_path, "one.mp4", "truth/one.mp4", "truth/deep/two.mp4")
    found = list_media(tmp_path, SUFFIXES, without=tmp_path / "truth")
    assert (names(found.files), found.left_out) == (["one.mp4"], {})


_NAMES = st.sampled_from(["a", "b", "c.mp4", "d.PNG", "e.txt", ".f", ".g.mp4", "h.d"])
_KINDS = st.sampled_from(["file", "folder", "link", "pipe"])
_TREES = st.lists(st.tuples(st.lists(_NAMES, min_size=1, max_size=4), _KINDS, st.integers(0, 30)), max_size=25)


def _build(root: Path, tree: list[tuple[list[str], str, int]]) -> None:
    places = [root]
    for parts, kind, target in tree:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.touch(exist_ok=False)
            elif kind == "folder":
                path.mkdir()
                places.append(path)
            elif kind == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to(places[target] if target < len(places) else "nowhere")
        except OSError:  # the place is taken, or lies behind a file or a loop
            continue


@given(_TREES)
def test_everything_is_found_or_left_out_once(tree: list[tuple[list[str], str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "v"
        root.mkdir()
        _build(root, tree)
        found = list_media(root, SUFFIXES)
        told = [*found.files, *found.left_out]
        assert len(told) == len(set(told))
        assert all(path.suffix.lower() in SUFFIXES for path in found.files)
        # Each folder is entered once, so that each real entry is told once: by itself, or by a hidden folder above it.
        real = [Path(place, name) for place, _, files in os.walk(root) for name in files]
        folders = [Path(place, name) for place, below, _ in os.walk(root) for name in below]
        links = [path for path in folders if path.is_symlink()]
        places = Counter((root / path).parent.resolve() / path.name for path in told)
        assert max(places.values(), default=1) == 1
        for entry in [*real, *links]:
            above = [part for part in (entry, *entry.relative_to(root).parents) if Path(part).name.startswith(".")]
            is_link_entered = entry in links and entry.relative_to(root) not in found.left_out
            if not above and not is_link_entered:
                assert places[entry.parent.resolve() / entry.name] == 1


@pytest.mark.parametrize("name", ["a.mp4", "b.txt"])
def test_a_line_about_odd_names_is_plain_text(tmp_path: Path, name: str, put_odd: Callable[[Path, str], None]) -> None:
    put_odd(tmp_path, name)
    put(tmp_path, "x.mp4")
    found = list_media(tmp_path, {".mp4"} if name == "b.txt" else {".png", ".mp4"})
    found.sentence("x").encode()


@pytest.fixture
def put_odd() -> Callable[[Path, str], None]:
    return lambda folder, name: (folder / f"\x1b[2J\udcff{name}").write_bytes(b"x")
