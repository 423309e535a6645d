"""Prompts that a text encoder cuts or can't tell apart are counted and named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nova_bench
from nova_bench.models import prompt_notices
from nova_bench.models.nova import NovaSpec
from nova_bench.models.prompt_notices import notice_prompts
from nova_bench.nova.text import load_tokenizer

TINY = Path(nova_bench.__file__).parent / "checkpoints" / "nova-tiny"
LONG = " ".join(["a red circle moves left"] * 30)


def remarks(*prompts: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    notice_prompts(NovaSpec(folder=str(TINY)), prompts, lambda text, names=(): found.append((text, list(names))))
    return found


def test_a_prompt_beyond_the_limit_is_named_with_what_is_kept() -> None:
    ((line, names),) = remarks("a red circle", LONG, "a red circle")
    assert line.startswith("1 of 2 prompts cut at the text encoder's 40 tokens ('a red circle moves left a red")
    (name,) = names
    assert name.endswith(": 40 of 150 tokens kept")


def test_prompts_that_differ_behind_the_cut_only_are_the_same() -> None:
    cut, same = remarks(LONG, f"{LONG} slowly")
    assert cut[0].startswith("2 of 2 prompts cut")
    assert same[0].startswith("1 of 2 prompts the same tokens as another one (")


def test_short_prompts_that_differ_are_no_news() -> None:
    assert remarks("a red circle", "a blue circle", "", "a red circle") == []


def test_a_checkpoint_that_is_not_here_says_nothing(tmp_path: Path) -> None:
    heard: list[str] = []
    notice_prompts(NovaSpec(folder=str(tmp_path / "gone")), [LONG], heard.append)
    assert heard == []


def test_generate_says_what_is_cut(cli: Callable, tmp_path: Path) -> None:
    result = cli("generate", LONG, "--model", TINY, "--out", "x.png", "--steps", 1, "--diffusion-steps", 1)
    assert result.returncode == 0, result.stderr
    assert "warning: 1 of 1 prompt cut at the text encoder's 40 tokens" in result.stderr


def test_a_plan_says_it_without_torch(cli: Callable, write_suite: Callable) -> None:
    suite = write_suite(model={"adapter": "nova", "folder": str(TINY)}, prompts={"entries": [LONG, "a red circle"]})
    assert "1 of 2 prompts cut at the text encoder's 40 tokens" in cli("plan", suite).stderr
    code = "import sys; from nova_bench.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, "plan", str(suite)], check=True, capture_output=True)


@pytest.mark.parametrize("text", ["a red circle", LONG, "Zwei  Kreise,\n\u00e4\u4e2d\U0001f600 <|endoftext|> 12,5%"])
def test_tokens_are_counted_as_the_model_sees_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_bytes((TINY / "tokenizer" / "tokenizer_config.json").read_bytes())
    model = json.loads((TINY / "tokenizer" / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("\n".join(map(" ".join, model["merges"])))
    theirs = load_tokenizer(TINY / "tokenizer")(text)["input_ids"]
    assert prompt_notices.open_tokenizer(TINY / "tokenizer")([text], None) == [theirs]
    if "<" not in text:
        assert prompt_notices.open_tokenizer(tmp_path)([text], None) == [theirs]


def test_a_run_lists_it_in_its_report(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    sampling = {"num_frames": 1, "num_inference_steps": 1, "num_diffusion_steps": 1}
    model = {"adapter": "nova", "folder": str(TINY)}
    suite = write_suite(model=model, prompts={"entries": [LONG, "a red circle"]}, sampling=sampling, scorers=[])
    first = cli("run", suite, "-q")
    assert first.returncode == 0, first.stderr
    assert "warning: 1 of 2 prompts cut at the text encoder's 40 tokens" in first.stderr
    (page,) = (tmp_path / "runs").glob("*/report/index.html")
    assert "1 of 2 prompts cut at the text encoder&#39;s 40 tokens" in page.read_text()
    assert "40 of 150 tokens kept" in (page.parent / "notices.csv").read_text()
    assert "1 of 2 prompts cut" in cli("run", suite, "-q").stderr
