"""Each command in the README and in docs/ runs here, or is parsed and says why it doesn't run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from nova_bench.cli import app
from nova_bench.config.suite_files import known_suites
from nova_bench.video import write_mp4
from tests.docs.blocks import ROOT, blocks, commands, words

CLIP = ROOT / "tests" / "data" / "vbench_clips" / "r8_small_120x112_8fps_4f.mp4"

NOT_RUN = {
    r"^(pip|python -m (pip|venv)|make) ": "sets up an environment: test_wheel.py installs a wheel, CI runs make",
    r"assets fetch ": "downloads: tests/assets and tests/models run it against a local stand-in",
    r"nova-0\.6b|CHECKPOINT|path/to/checkpoint|compare (--speed )?(OLD|A|nova-tiny) ": "needs the user's checkpoints",
    r"run vbench|run mlperf_vbench|run ablation_tam_vbench|aesthetic_quality": "needs VBench's weights",
    r"run dpg( |$)|sdxl|hub:|image-models|run dpg_shapes": "needs published weights, or takes minutes",
    r"run (tiny|latency(_\w+)?|extrapolation)( |$)|appendix$": "takes minutes; CI runs make run",
    r"^nova_bench train |^python benchmarks/": "takes minutes; tests/train and tests/benchmarks run it in miniature",
    r"--executor ": "tests/execute runs it",
    r"(run|plan) my-suite|--import RESULTS|RUN|dpg-1a2b3c|vbench-\w{6}|vbench_imported": "needs files of the user's",
    r"store restore$|store merge|--open$|assets verify": "tests/store, tests/cli and tests/assets run it",
    r"(bless|check) shapes": "tests/gate runs it",
}
"""Pattern of a command -> why it is only parsed."""


def runs(command: str) -> bool:
    return not any(re.search(pattern, command) for pattern in NOT_RUN)


FOUND = list(dict.fromkeys(command for _, command in commands()))
# Once each, however the program is called.
RUN = list({tuple(words(command) or [command]): command for command in FOUND if runs(command)}.values())


@pytest.mark.parametrize("command", [command for command in FOUND if words(command)])
def test_a_command_parses(command: str) -> None:
    arguments, found = words(command) or [], get_command(app)
    while isinstance(found, click.Group):
        assert arguments[0] in found.commands, command
        found, arguments = found.commands[arguments[0]], arguments[1:]
    with found.make_context("nova_bench", arguments) as context:
        suite = context.params.get("suite")
    if suite and re.fullmatch("[a-z_]+", suite) and not context.params.get("suites"):
        assert suite in known_suites()


def test_every_reason_holds_for_a_command() -> None:
    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, command) for command in FOUND)]
    assert unused == []
    assert len(RUN) > 15


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the commands name."""
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    frames = np.random.default_rng(0).integers(0, 256, (4, 192, 192, 3), dtype=np.uint8)
    for folder in ("path/to/videos", "path/to/originals"):
        (tmp_path / folder).mkdir(parents=True)
        write_mp4(tmp_path / folder / "a red car.mp4", frames)
        shutil.copy(CLIP, tmp_path / folder / "still.mp4")
    (tmp_path / "path/to/folders/one").mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "path/to/folders/one" / f"{number:03}.png")
    (tmp_path / "manifest.csv").write_text("path,prompt\npath/to/videos/still.mp4,a still life\n")
    return tmp_path


LONG = r"shapes export |doctor$|clips.yaml --set "
"""Pattern of the commands that take more than five seconds."""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=[pytest.mark.slow] if re.search(LONG, command) else [])
        for command in RUN
        if "nova-tiny" not in command and "runs/" not in command
    ],
)
def test_a_command_runs(command: str, cli: Callable, place: Path) -> None:
    arguments = words(command)
    assert arguments is not None, f"{command}: neither run nor given a reason"
    if arguments[0] in ("report", "store"):
        assert cli("score", "path/to/videos", "--metrics", "temporal_flickering").returncode == 0
    arguments = [next(place.glob("runs/score-*")).name if word == "shapes-abc123" else word for word in arguments]
    result = cli(*arguments)
    assert result.returncode == (3 if arguments[:2] == ["plan", "vbench"] else 0), result.stdout + result.stderr


@pytest.mark.slow
def test_the_tutorial_runs(cli: Callable, place: Path) -> None:
    first, changed, compare = [command for page, command in commands() if page == "tutorial.md"]
    for command in (first, changed):
        result = cli(*(words(command) or []))
        assert result.returncode == 0, result.stdout + result.stderr
        assert "report: runs/shapes-" in result.stdout
    made = sorted(place.glob("runs/shapes-*"), key=lambda path: path.stat().st_mtime)
    named = re.findall(r"runs/shapes-\w{6}", compare)
    for name, folder in zip(named, made, strict=True):
        compare = compare.replace(name, str(folder))
    result = cli(*(words(compare) or []))
    assert "not comparable" in result.stdout
    assert "sampler" in result.stdout
    assert cli(*(words(compare) or []), "--accept", "sampler").returncode in (0, 1, 4)


@pytest.mark.slow
def test_python_examples_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for page in (ROOT / "README.md", ROOT / "docs" / "python.md", ROOT / "docs" / "tutorial.md"):
        names: dict[str, object] = {}
        for text in blocks(page, "python"):
            exec(compile(text, str(page), "exec"), names)
        assert "nb" in names


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(ROOT / "examples" / "compare_two_settings.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("not comparable" in str(output) for output in texts)
    assert any("image/png" in output.get("data", {}) for output in texts)
