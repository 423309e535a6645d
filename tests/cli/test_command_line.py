"""The command line as a whole: how fast it answers, how it ends, and what it says to a mistake."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench import __version__

HEAVY = ("torch", "cv2", "av", "pandas", "matplotlib", "diffusers", "transformers", "scipy", "numpy", "huggingface_hub")


def test_help_names_every_command(fresh_cli: Callable) -> None:
    result = fresh_cli("--help")
    assert result.returncode == 0
    for command in ("run", "plan", "report", "generate", "list", "doctor", "assets", "store"):
        assert f" {command} " in result.stdout
    assert "Exit codes: 0 pass" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--fields"],
        ["list", "--schema"],
        ["plan", "suite.yaml"],
        ["assets", "list"],
        ["run", "--help"],
    ],
    ids=" ".join,
)
def test_what_needs_nothing_heavy_imports_nothing_heavy(
    environment: dict[str, str], tmp_path: Path, write_suite: Callable, arguments: list[str]
) -> None:
    write_suite()
    code = (
        "import sys, runpy, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try:\n"
        "        runpy.run_module('nova_bench', run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        assert end.code in (0, None), end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    # The state of checkpoints is asked of the hub's own library; its import is light enough.
    allowed = ["huggingface_hub"] if arguments == ["assets", "list"] else []
    assert [name for name in ast.literal_eval(result.stdout.strip()) if name not in allowed] == []


def test_version(fresh_cli: Callable) -> None:
    result = fresh_cli("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"nova_bench {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paln"], "Did you mean 'plan'?"),
        (["plan"], "Missing argument 'SUITE'"),
        (["plan", "suite.yaml", "--limt", "3"], "--limit"),
        (["plan", "suite.yaml", "--limit", "0"], "--limit"),
        (["run", "suite.yaml", "--batch-size", "many"], "--batch-size"),
    ],
)
def test_wrong_usage_exits_2_with_a_hint(
    fresh_cli: Callable, write_suite: Callable, arguments: list[str], said: str
) -> None:
    write_suite()
    result = fresh_cli(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "remedy"),
    [
        (["plan", "smok"], "smok: no such suite", "give a YAML file, or one of: "),
        (["run", "wrong.yaml"], "wrong.yaml:3: unknown scorer 'brightnes'; did you mean 'brightness'?", "known: "),
        (["plan", "suite.yaml", "--set", "seed"], "--set seed: not of the form `key=value`", "for example --set"),
        (["run", "suite.yaml", "--model", "gone"], "--model gone: no such folder", "a checkpoint (folder"),
        (["run", "suite.yaml", "--device", "cuda:99"], "cuda:99: torch ", "use --device cpu"),
        (["run", "suite.yaml", "--executor", "cluster"], "--executor: execution.executor: expected 'inline'", "`nova_"),
        (["assets", "fetch", "vbench-prompt"], "unknown asset 'vbench-prompt'; did you mean", "known: "),
        (["report", "--store", "gone"], "gone: no store here", "run a suite first"),
    ],
)
def test_a_mistake_is_one_line_and_its_remedy(
    fresh_cli: Callable, write_suite: Callable, tmp_path: Path, arguments: list[str], error: str, remedy: str
) -> None:
    write_suite()
    (tmp_path / "wrong.yaml").write_text("name: a\ntitle: b\nscorers: [brightnes]\nmodel: {adapter: drift}\n")
    result = fresh_cli(*arguments)
    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (2, "", 2), result.stderr
    assert lines[0].startswith(f"error: {error}")
    assert lines[1].startswith(f"  try: {remedy}")


def test_debug_shows_the_traceback_wherever_it_stands(fresh_cli: Callable) -> None:
    for arguments in (["--debug", "plan", "gone"], ["plan", "--debug", "gone"], ["plan", "gone", "--debug"]):
        result = fresh_cli(*arguments)
        assert result.returncode != 0
        assert "Traceback" in result.stderr
        assert "SuiteError: gone: no such suite" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["list", "--schema"], ["list"], ["--help"], ["plan", "suite.yaml"]], ids=" ".join
)
def test_a_reader_that_goes_away_is_no_error(
    environment: dict[str, str], write_suite: Callable, tmp_path: Path, arguments: list[str]
) -> None:
    write_suite()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "nova_bench", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert result.stderr == ""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(
    environment: dict[str, str], write_suite: Callable, tmp_path: Path, sent: signal.Signals
) -> None:
    write_suite(model={"adapter": "drift", "seconds": 0.3}, prompts={"entries": ["a"], "samples_per_prompt": 100})
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_bench", "run", "suite.yaml", "--batch-size", "1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob("runs/artifacts/*/*.mp4")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(sent)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "To continue: python -m nova_bench run suite.yaml --batch-size 1" in said
    assert "Traceback" not in said


@pytest.fixture
def no_shipped_files(tmp_path: Path) -> None:
    """In processes started in ``tmp_path`` the packages that ship prompts or weights are other ones, without them."""
    for package in ("vbench", "stlpips_pytorch"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()


def test_doctor_says_what_is_there_and_what_is_not(
    fresh_cli: Callable, no_shipped_files: None, write_suite: Callable, tmp_path: Path
) -> None:
    (tmp_path / "suites").mkdir()
    write_suite("suites/mine.yaml")
    (tmp_path / "suites" / "broken.yaml").write_text("name: broken\n")
    result = fresh_cli("doctor")
    assert result.returncode == 0, result.stdout
    for said in (
        "packages:",
        "  torch ",
        "packages for image models:",
        "  beautifulsoup4 ",
        "device:",
        "assets:",
        "free for the store",
        "nova-0.6b-t2v",
    ):
        assert said in result.stdout
    assert re.search(r"vbench-prompts +missing", result.stdout)
    assert "ready: 6 samples, 2 scorers" in result.stdout
    assert re.search(r"broken +not ready: suites/broken.yaml:1:", result.stdout.replace(str(tmp_path) + "/", ""))


def test_assets_list_and_verify(fresh_cli: Callable, no_shipped_files: None) -> None:
    listed = fresh_cli("assets", "list")
    assert listed.returncode == 0
    assert re.search(r"vbench-prompts +missing", listed.stdout)
    assert re.search(r"nova-0.6b-t2v +missing +~8.0 GB", listed.stdout)
    assert fresh_cli("assets", "verify").stdout == "nova-tiny: here\n"
    verified = fresh_cli("assets", "verify", "vbench-prompts", "nova-0.3b-t2i")
    assert verified.returncode == 3
    assert "vbench-prompts: missing: python -m nova_bench assets fetch vbench-prompts\n" in verified.stdout
    assert "nova-0.3b-t2i: missing: python -m nova_bench assets fetch nova-0.3b-t2i\n" in verified.stdout
    offline = fresh_cli("assets", "fetch", "vbench-prompts", "--offline")
    assert offline.returncode == 3
    assert "error: VBench_full_info.json is not here, and fetching is off (offline)" in offline.stderr


def test_assets_fetch_tells_bytes_as_lines(
    fresh_cli: Callable, no_shipped_files: None, environment: dict[str, str], tmp_path: Path
) -> None:
    """A package source without a network: the error is one line, the others would still be tried."""
    (tmp_path / "none").mkdir()
    result = fresh_cli(
        "assets", "fetch", "vbench-prompts", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "none"), HF_HUB_OFFLINE="0"
    )
    assert result.returncode == 3
    assert "error: vbench==0.1.5 can't be downloaded: No matching distribution found" in result.stderr
    assert "Traceback" not in result.stderr


def test_assets_fetch_takes_a_suite(fresh_cli: Callable, write_suite: Callable, no_shipped_files: None) -> None:
    """All that its prompts and scorers need, each once; what one suite of many kinds needs is said."""
    suite = write_suite(prompts={"source": "vbench"}, scorers=["lpips", "brightness", "static_filter", "lpips"])
    result = fresh_cli("assets", "fetch", suite, "raft-things", "--offline")
    assert result.returncode == 3
    files = ["VBench_full_info.json", "alexnet-owt-7be5be79.pth", "alex.pth", "raft-things.pth"]
    assert re.findall(r"error: (\S+) is not here", result.stderr) == files
    study = fresh_cli("assets", "fetch", "ablation_tam_vbench", "--offline")
    assert study.returncode == 2
    assert "ablation_tam_vbench: a study, which has no scorers of its own" in study.stderr


def test_the_plan_of_a_missing_asset_says_how_big_it_is_and_exits_3(
    environment: dict[str, str], write_suite: Callable, tmp_path: Path, no_shipped_files: None
) -> None:
    """No bundled scorer needs an asset yet, so one is added where the process starts."""
    write_suite()
    code = (
        "import dataclasses, sys\n"
        "import nova_bench_testkit as kit\n"
        "kit.BRIGHTNESS = dataclasses.replace(kit.BRIGHTNESS, assets=('vbench-prompts',))\n"
        "from nova_bench.cli import main\n"
        "sys.argv = ['nova_bench', 'plan', 'suite.yaml']\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3, result.stderr
    assert "missing: VBench_full_info.json (0.2 MB): python -m nova_bench assets fetch vbench-prompts" in result.stdout


def test_the_schema_is_json(fresh_cli: Callable) -> None:
    assert json.loads(fresh_cli("list", "--schema").stdout)["$schema"].startswith("https://json-schema.org/")
