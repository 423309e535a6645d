"""The `files` adapter: folders and manifests as people have them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.assets import asset_digest
from nova_bench.config.loading import load_suite
from nova_bench.config.units import Unit
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.models.base import Output
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.plan import make_plan

CLIPS = Path(__file__).parent.parent / "data" / "vbench_clips"
CLIP, OTHER_CLIP = CLIPS / "r8_small_120x112_8fps_4f.mp4", CLIPS / "r5_short_160x136_10fps_2f.mp4"


class Planned:
    """Units of a `files` suite, what generating them gives, and the warnings on the way."""

    def __init__(self, tmp_path: Path, model: dict[str, Any], **keys: Any):
        path = tmp_path / "suite.yaml"
        suite = {
            "name": "files",
            "title": "Files",
            "scorers": ["brightness"],
            "report": {"figure_formats": ["svg"]},
            "model": {"adapter": "files", **model},
        }
        path.write_text(yaml.safe_dump({**suite, **keys}, allow_unicode=True), encoding="utf-8")
        self.warnings: list[str] = []
        loaded = load_suite(str(path))
        adapter = build_adapter(loaded, file_digest, lambda text, names=(), asked=False: self.warnings.append(text))
        self.units: tuple[Unit, ...] = make_plan(loaded, adapter, file_digest, asset_digest).units
        self.outputs: list[Output] = list(adapter.generate(self.units))

    @property
    def names(self) -> list[tuple[str, int]]:
        return [(unit.prompt, unit.sample_index) for unit in self.units]


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Planned]:
    return lambda model, **keys: Planned(tmp_path, model, **keys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "videos"
    path.mkdir()
    return path


def put(folder: Path, *names: str) -> None:
    """Files of those names, each of its own content."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


# Folders -------------------------------------------------------------------------------------------------------------


def test_a_folder_is_searched_for_videos_and_images(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "b cat.mp4", "a dog.PNG", "deeper/still/c cow.WebM", "notes.txt", "no suffix", "d.mp4.part")
    put(folder, ".hidden.mp4", "._b cat.mp4", ".cache/e.mp4", "deeper/.ipynb_checkpoints/f.mp4")
    (folder / "folder.mp4").mkdir()
    planned = plan({"folder": "videos"})
    assert planned.names == [("a dog", 0), ("b cat", 0), ("c cow", 0)]
    assert [output.path.name for output in planned.outputs] == ["a dog.PNG", "b cat.mp4", "c cow.WebM"]


@pytest.mark.parametrize(
    "prompt",
    [
        'a "quoted" cat',
        "it's",
        "two\nlines",
        "tab\there",
        "$HOME `x` %s {y}",
        "-dash",
        "猫が走る",
        "🐈‍⬛",
        "a.b.c",
        " x ",
    ],
)
def test_odd_names_are_prompts_as_they_stand(plan: Callable[..., Planned], folder: Path, prompt: str) -> None:
    put(folder, f"{prompt}.mp4")
    assert plan({"folder": "videos"}).names == [(prompt, 0)]
    (folder / f"{prompt}.mp4").rename(folder / f"{prompt}-7.mp4")
    assert plan({"folder": "videos", "naming": "prompt-index"}).names == [(prompt, 7)]


def test_decomposed_names_are_the_same_prompt(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, unicodedata.normalize("NFD", "café.mp4"))
    assert plan({"folder": "videos"}).names == [(unicodedata.normalize("NFC", "café"), 0)]


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system refuses such names")
def test_a_name_that_is_not_utf8_costs_the_others_nothing(
    plan: Callable[..., Planned], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (Path(str(folder)) / "caf\udce9.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match="among 1 name that is not UTF-8") as caught:
        plan({"folder": "videos"})
    caught.value.message.encode()
    put(folder, "a.mp4")
    assert plan({"folder": "videos"}).names == [("a", 0)]


def test_names_with_an_index(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "a cat-0.mp4", "a cat-12.mp4", "x-ray-1.mp4", "a dog.mp4", "t-rex.mp4", "-3.mp4")
    names = plan({"folder": "videos", "naming": "prompt-index"}).names
    assert sorted(names) == sorted([("a cat", 0), ("a cat", 12), ("x-ray", 1), ("a dog", 0), ("t-rex", 0), ("-3", 0)])


def test_references_have_the_same_relative_path(plan: Callable[..., Planned], folder: Path, tmp_path: Path) -> None:
    put(folder, "a.mp4", "deeper/b.mp4")
    put(tmp_path / "truth", "a.mp4")
    a, b = plan({"folder": "videos", "references": "truth"}).units
    assert (a.reference, b.reference) == (str(tmp_path / "truth/a.mp4"), str(tmp_path / "truth/deeper/b.mp4"))
    assert a.reference_digest == file_digest(tmp_path / "truth/a.mp4")
    assert b.reference_digest == "missing"


def test_references_inside_the_folder_are_no_samples(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "a.mp4", "truth/a.mp4")
    planned = plan({"folder": "videos", "references": "videos/truth"})
    assert [(unit.source, unit.reference) for unit in planned.units] == [
        (str(folder / "a.mp4"), str(folder / "truth/a.mp4"))
    ]


def test_a_folder_inside_its_references_keeps_its_samples(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "a.mp4", "made/a.mp4")
    planned = plan({"folder": "videos/made", "references": "videos"})
    assert [(unit.source, unit.reference) for unit in planned.units] == [
        (str(folder / "made/a.mp4"), str(folder / "a.mp4"))
    ]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"folder": "gone"}, "gone: no such folder"),
        ({"folder": "videos", "references": "gone"}, "gone: no such folder"),
        ({"folder": "videos"}, "videos: no videos or images"),
        ({}, "give exactly one of `manifest`, `folder` and `file`"),
        ({"folder": "videos", "manifest": "list.csv"}, "give exactly one of `manifest`, `folder` and `file`"),
        ({"manifest": "list.csv", "references": "videos"}, "`references` goes with `folder`"),
        ({"folder": "a\0b"}, "which can't contain a NUL character"),
    ],
)
def test_a_folder_that_will_not_do(
    plan: Callable[..., Planned], folder: Path, model: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        plan(model)


def test_two_files_for_one_sample_are_both_named(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "x/a cat.mp4", "y/a cat.png")
    with pytest.raises(UserError, match=r"two files for prompt 'a cat', sample 0: .*x/a cat.mp4, .*y/a cat.png"):
        plan({"folder": "videos"})


def test_names_that_say_nothing_are_told_apart_by_their_paths(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "x/0.mp4", "y/0.mp4", "y/0.png")
    names = plan({"folder": "videos", "naming": "path"}).names
    assert names == [("x/0.mp4", 0), ("y/0.mp4", 0), ("y/0.png", 0)]


def test_a_link_to_nothing_is_a_sample_that_fails(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "a.mp4")
    (folder / "b.mp4").symlink_to("gone.mp4")
    planned = plan({"folder": "videos"})
    assert [output.error for output in planned.outputs] == [None, f"{folder}/b.mp4: no such file"]


# Manifests -----------------------------------------------------------------------------------------------------------


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows([{**row, **({"tags": ";".join(row["tags"])} if "tags" in row else {})} for row in rows])
    return text.getvalue().encode()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


@pytest.fixture(params=["csv", "jsonl"])
def write_manifest(request: pytest.FixtureRequest, folder: Path) -> Callable[[list[dict[str, Any]]], dict[str, str]]:
    def write(rows: list[dict[str, Any]]) -> dict[str, str]:
        name = f"list.{request.param}"
        (folder / name).write_bytes({"csv": as_csv, "jsonl": as_jsonl}[request.param](rows))
        return {"manifest": f"videos/{name}"}

    return write


def test_a_manifest_says_everything(
    plan: Callable[..., Planned], folder: Path, write_manifest: Callable, tmp_path: Path
) -> None:
    put(folder, "1.mp4", "deep/2.mp4")
    put(tmp_path / "elsewhere", "3.mp4")
    rows = [
        {"path": "1.mp4", "prompt": 'a "cat", asleep', "sample_index": 2, "tags": ["color", "scene"], "x_note": "mine"},
        {"path": "deep/../deep/2.mp4", "reference": "1.mp4"},
        {"path": str(tmp_path / "elsewhere" / "3.mp4"), "prompt": "two\nlines\u2028three"},
        {"path": "package:pydantic/py.typed", "prompt": "shipped"},
    ]
    units = plan(write_manifest(rows)).units
    assert [(unit.prompt, unit.sample_index, unit.tags) for unit in units] == [
        ('a "cat", asleep', 2, ("color", "scene")),
        ("2", 0, ()),
        ("two\nlines\u2028three", 0, ()),
        ("shipped", 0, ()),
    ]
    assert units[1].source == str(folder / "deep/2.mp4")
    assert units[1].reference == str(folder / "1.mp4")
    assert Path(units[3].source).parts[-2:] == ("pydantic", "py.typed")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    prompts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_prompts_survive_csv_and_jsonl_alike(plan: Callable[..., Planned], folder: Path, prompts: list[str]) -> None:
    put(folder, "1.mp4")
    rows = [{"path": "1.mp4", "prompt": prompt} for prompt in prompts]
    (folder / "list.csv").write_bytes(as_csv(rows))
    (folder / "list.jsonl").write_bytes(as_jsonl(rows))
    from_csv, from_jsonl = plan({"manifest": "videos/list.csv"}), plan({"manifest": "videos/list.jsonl"})
    assert [prompt for prompt, _ in from_csv.names] == prompts
    assert from_csv.units == from_jsonl.units


def test_a_byte_order_mark_and_windows_line_ends_are_fine(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "1.mp4")
    (folder / "list.csv").write_bytes(b"\xef\xbb\xbfpath,prompt\r\n1.mp4,a cat\r\n\r\n")
    assert plan({"manifest": "videos/list.csv"}).names == [("a cat", 0)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "path,promt\n1.mp4,a\n", ":2: unknown column 'promt'; did you mean 'prompt'?"),
        ("list.csv", "path,prompt\n1.mp4,a cat, asleep\n", ":2: 2 columns expected"),
        ("list.csv", "path,prompt\n1.mp4\n", ":2: 2 columns expected"),
        ("list.csv", "path,path\n1.mp4,2.mp4\n", ":1: column 'path' appears twice"),
        ("list.csv", ",path\n0,1.mp4\n", ":1: column 1 has no name"),
        ("list.csv", 'path\n"1.mp4\n', "unexpected end of data"),
        ("list.csv", "prompt\na cat\n", ":2: no path"),
        ("list.csv", "Path,prompt\n1.mp4,a\n", ":2: unknown column 'Path'; did you mean 'path'?"),
        ("list.csv", "path;prompt\n1.mp4;a\n", ":2: unknown column 'path;prompt'"),
        (
            "list.csv",
            "path,sample_index\n1.mp4,0\n2.mp4,one\n",
            ":3: sample_index: expected a whole number (got 'one')",
        ),
        ("list.csv", "path,sample_index\n1.mp4,-1\n", ":2: sample_index: expected at least 0 (got '-1')"),
        ("list.csv", 'path,prompt\n1.mp4,"a\nb"\n2.mp4,c,d\n', ":4: 2 columns expected"),
        ("list.csv", "path,prompt\n", "list.csv: no videos or images"),
        ("list.csv", "", "list.csv: no videos or images"),
        ("list.csv", "path,prompt\n1.mp4,a\n2.mp4,a\n", "two files for prompt 'a', sample 0"),
        ("list.jsonl", "", "list.jsonl: no videos or images"),
        ("list.jsonl", '{"path": "1.mp4"}\n[1]\n', ":2: not a JSON object"),
        ("list.jsonl", '\n{"path": }\n', ":2: not JSON: Expecting value"),
        ("list.jsonl", "[" * 100_000, ":1: not JSON: nested too deeply"),
        ("list.jsonl", '{"path": 7}', ":1: path: expected text, in quotes (got 7)"),
        ("list.jsonl", '{"path": "1.mp4", "tags": "color"}', ":1: tags: expected a list (got 'color')"),
        ("list.jsonl", '{"path": "1.mp4", "sample_index": true}', ":1: sample_index: expected a number (got True)"),
        ("list.jsonl", '{"path": "1.mp4", "index": 1}', ":1: unknown column 'index'; did you mean 'sample_index'?"),
        ("list.jsonl", '{"path": "a\\u0000b"}', ":1: path: expected a path, which can't contain a NUL character"),
        ("list.jsonl", '{"path": "1.mp4", "prompt": "\\ud800"}', ":1: prompt: expected text in valid Unicode"),
        ("list.csv", "path\npackage:no_such_package/a.mp4\n", "the package 'no_such_package' isn't installed"),
        ("list.txt", "1.mp4\n", "neither .csv nor .jsonl"),
    ],
)
def test_a_wrong_manifest_names_line_and_column(
    plan: Callable[..., Planned], folder: Path, name: str, content: str, message: str
) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        plan({"manifest": f"videos/{name}"})
    assert message in caught.value.message
    assert name in caught.value.message or "package" in message
    assert "\n" not in caught.value.message


def test_a_manifest_in_another_encoding_is_told(plan: Callable[..., Planned], folder: Path) -> None:
    (folder / "list.csv").write_bytes("path\ncafé.mp4\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"list.csv: can't be read: .*UTF-8"):
        plan({"manifest": "videos/list.csv"})


def test_a_missing_file_fails_alone(plan: Callable[..., Planned], folder: Path, write_manifest: Callable) -> None:
    put(folder, "1.mp4")
    rows = [
        {"path": "gone.mp4"},
        {"path": "1.mp4"},
        {"path": "."},
        {"path": "x" * 5000},
        {"path": "~no_such_user/a.mp4"},
    ]
    outputs = plan(write_manifest([{**row, "prompt": str(index)} for index, row in enumerate(rows)])).outputs
    assert [output.path and output.path.name for output in outputs] == [None, "1.mp4", None, None, None]
    assert outputs[0].error == f"{folder / 'gone.mp4'}: no such file"


# Identity ------------------------------------------------------------------------------------------------------------


def test_a_unit_is_its_content_and_prompt_wherever_it_lies(
    plan: Callable[..., Planned], folder: Path, write_manifest: Callable
) -> None:
    def digest(path: str, content: bytes, **row: Any) -> str:
        put(folder, path)
        (folder / path).write_bytes(content)
        (unit,) = plan(write_manifest([{"path": path, "prompt": "a cat", **row}])).units
        return unit.digest

    first = digest("1.mp4", b"one")
    assert digest("renamed.mp4", b"one") == first
    assert digest("deeper/1.mp4", b"one", tags=["color"], reference="1.mp4") == first
    assert digest("1.mp4", b"two") != first
    assert digest("1.mp4", b"one", prompt="a dog") != first
    assert digest("1.mp4", b"one", sample_index=1) != first


# A suite's own prompts -----------------------------------------------------------------------------------------------

ASKED = {"samples_per_prompt": 2, "entries": [{"text": "a café", "tags": ["scene"]}, "a dog"]}


def test_files_serve_the_prompts_of_a_suite(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, f"{unicodedata.normalize('NFD', 'a café')}-1.mp4", "a dog-0.mp4", "a cow-0.mp4")
    planned = plan({"folder": "videos"}, prompts=ASKED)
    assert planned.names == [("a café", 0), ("a café", 1), ("a dog", 0), ("a dog", 1)]
    assert [unit.tags for unit in planned.units] == [("scene",), ("scene",), (), ()]
    assert [output.error for output in planned.outputs] == [
        "no file for this prompt and sample index",
        None,
        None,
        "no file for this prompt and sample index",
    ]
    assert len({unit.digest for unit in planned.units}) == 4
    assert planned.warnings == [
        f"{folder}: 2 of 4 files are missing: 1 of scene, 1 of prompts without a tag",
        f"{folder}: 1 of 3 files left out: they are not samples that the suite asks for: 'a cow-0.mp4'",
    ]


def test_a_manifest_serves_the_prompts_of_a_suite(
    plan: Callable[..., Planned], folder: Path, write_manifest: Callable
) -> None:
    put(folder, "1.mp4")
    planned = plan(write_manifest([{"path": "1.mp4", "prompt": "a dog", "sample_index": 1}]), prompts=ASKED)
    assert [output.path is not None for output in planned.outputs] == [False, False, False, True]


def test_files_that_serve_no_prompt_at_all_are_told(plan: Callable[..., Planned], folder: Path) -> None:
    put(folder, "0001.mp4")
    with pytest.raises(
        UserError, match=r"no file is a sample .* such as 'a café-0.mp4'; '0001.mp4' is read as prompt '0001', sample 0"
    ):
        plan({"folder": "videos"}, prompts=ASKED)


# Through the command line --------------------------------------------------------------------------------------------


def test_a_run_scores_what_is_there_and_counts_the_rest(cli: Callable, folder: Path, tmp_path: Path) -> None:
    shutil.copy(CLIP, folder / "a cat.mp4")
    (folder / "list.csv").write_text("path,prompt\na cat.mp4,a cat\ngone.mp4,a dog\n")
    (tmp_path / "any.yaml").write_text(
        "name: any\ntitle: Any\nmodel: {adapter: files, folder: elsewhere}\nscorers: [brightness]\n"
    )
    result = cli("run", "any.yaml", "--model", "videos/list.csv")
    assert result.returncode == 3, result.stderr
    assert "incomplete:" in result.stderr
    assert "Traceback" not in result.stderr
    planned = cli("plan", "any.yaml", "--model", "videos/list.csv").stdout
    assert "samples 1 1 (1 failed before)" in " ".join(planned.split())


def test_a_changed_file_is_scored_again_and_a_renamed_one_is_not(cli: Callable, folder: Path, tmp_path: Path) -> None:
    shutil.copy(CLIP, folder / "1.mp4")
    (folder / "list.csv").write_text("path,prompt\n1.mp4,a cat\n")
    (tmp_path / "any.yaml").write_text(
        "name: any\ntitle: Any\nmodel: {adapter: files, manifest: videos/list.csv}\nscorers: [brightness]\n"
    )
    assert cli("run", "any.yaml").returncode == 0
    (folder / "1.mp4").rename(folder / "2.mp4")
    (folder / "list.csv").write_text("path,prompt\n2.mp4,a cat\n")
    renamed = cli("run", "any.yaml")
    assert (renamed.returncode, "1 scores were there already" in renamed.stderr) == (0, True), renamed.stderr
    shutil.copy(OTHER_CLIP, folder / "2.mp4")
    changed = cli("run", "any.yaml")
    assert (changed.returncode, "there already" in changed.stderr) == (0, False), changed.stderr
