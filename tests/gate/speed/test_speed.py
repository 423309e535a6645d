"""`compare --speed A B`: verdicts, order of calls, machines that differ, and sides that fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import jsonschema
import pytest

from tests.gate.speed.conftest import STEADY, Speed

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "verdict.schema.json").read_text())


@pytest.mark.parametrize(
    ("factor", "verdict", "code"), [(1.0, "pass", 0), (1.02, "pass", 0), (1.2, "regressed", 1), (0.9, "improved", 0)]
)
def test_the_ratio_decides(speed: Speed, factor: float, verdict: str, code: int) -> None:
    done = speed.compare(speed.side("a"), speed.side("b", f"answer({factor} * 0.1 * random.lognormvariate(0, 0.01))"))
    assert done.returncode == code, done.stderr
    file = speed.file
    jsonschema.Draft202012Validator(SCHEMA).validate(file)
    assert (file["kind"], file["verdict"], file["exit_code"]) == ("speed", verdict, code)
    assert file["ratio"] == pytest.approx(factor, rel=0.01)
    assert file["low"] < factor < file["high"] < file["low"] * 1.02
    assert ("slower, within the margin" in done.stderr) == (factor == 1.02)
    a, b, last = done.stdout.splitlines()
    assert a.startswith("A: miniature")
    assert b.startswith("B: miniature")
    assert last.startswith(f"{verdict}: B takes {file['ratio']:.3f} times as long")


def test_noise_is_inconclusive_and_says_how_much_would_decide(speed: Speed) -> None:
    noisy = "answer(0.1 * random.lognormvariate(0, 0.2))"
    done = speed.compare(speed.side("a", noisy), speed.side("b", noisy))
    assert (done.returncode, speed.file["verdict"]) == (0, "inconclusive")
    assert "warning: inconclusive" in done.stderr
    assert speed.file["more_starts"] > 7
    assert f"{speed.file['more_starts']:,} starts" in done.stderr
    assert "would decide if the ratio stays as it is" in done.stderr
    assert speed.compare(speed.side("a", noisy), speed.side("b", noisy), "--strict").returncode == 4


@pytest.mark.parametrize(("strict", "level"), [((), "warning"), (("--strict",), "error")])
def test_github_shows_an_annotation(
    speed: Speed, environment: dict[str, str], strict: tuple[str, ...], level: str
) -> None:
    environment["GITHUB_ACTIONS"] = "true"
    done = speed.compare(speed.side("a"), speed.side("b", machine={"threads": "2"}), *strict)
    assert done.stdout.startswith(f"::{level} title=nova_bench%3A latency::not comparable: threads: 1 in A, 2 in B\n")


def test_a_wider_margin_passes_what_a_narrow_one_refuses(speed: Speed) -> None:
    sides = speed.side("a"), speed.side("b", "answer(0.12 * random.lognormvariate(0, 0.01))")
    assert speed.compare(*sides, "--speed-margin", "50").returncode == 0
    assert speed.file["margin_percent"] == 50


def test_sides_take_turns_at_being_first_and_a_drift_of_the_machine_cancels(speed: Speed) -> None:
    drifting = "answer(0.1 * 1.1 ** number * random.lognormvariate(0, 0.01))"
    done = speed.compare(speed.side("a", drifting), speed.side("b", drifting), "--pairs", 4, "--clock", "processor")
    assert done.returncode == 0, done.stderr
    assert (speed.folder / "starts").read_text() == "abbaabbaabbaab"
    assert (speed.folder / "calls").read_text() == "abbaabba" + 3 * "baabbaababbaabba"
    file = speed.file
    assert file["verdict"] == "pass"
    assert file["a"]["seconds"][0][0] == pytest.approx(0.2, rel=0.05), "processor time, twice the wall time here"
    assert ([len(start) for start in file["b"]["seconds"]], file["ended_by"]) == ([4] * 7, "starts")


def test_a_process_that_is_slow_by_chance_is_noise(speed: Speed) -> None:
    """Its calls agree with one another, so many of them make it no surer."""
    lottery = "luck = random.lognormvariate(0, 0.1) if number == 0 else luck; answer(0.1 * luck)"
    found = []
    for pairs in (2, 20):
        done = speed.compare(speed.side("x", lottery), speed.side("y", lottery), "--pairs", pairs)
        assert done.returncode == 0, done.stdout
        found.append(speed.file)
    assert found[0]["verdict"] == found[1]["verdict"] == "inconclusive"
    assert found[1]["p"] == pytest.approx(found[0]["p"])
    assert found[1]["more_pairs"] is None


def test_it_ends_at_the_time_limit(speed: Speed) -> None:
    slow = f"time.sleep(0.02); {STEADY}"
    done = speed.compare(speed.side("a", slow), speed.side("b", slow), "--pairs", 5000, "--seconds", 0.1)
    assert done.returncode in (0, 1)
    assert speed.file["ended_by"] == "seconds"
    assert 1 <= len(speed.file["a"]["seconds"][0]) < 100
    assert "of 35000 pairs" in done.stderr


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"machine": {"device": "cuda"}}, "device: cpu in A, cuda in B"),
        ({"machine": {"governor": "powersave"}}, "governor: performance in A, powersave in B"),
        ({"machine": {"threads": "2"}}, "threads: 1 in A, 2 in B"),
        ({"setting": {"size": "512x512"}}, "size: 96x64 in A, 512x512 in B"),
    ],
)
def test_other_machines_and_settings_are_not_comparable(speed: Speed, facts: dict[str, Any], words: str) -> None:
    sides = speed.side("a"), speed.side("b", **facts)
    done = speed.compare(*sides)
    assert (done.returncode, speed.file["verdict"]) == (0, "not comparable")
    assert done.stdout.splitlines()[-1] == f"not comparable: {words}"
    assert "warning: not comparable" in done.stderr
    assert not (speed.folder / "calls").exists()
    assert speed.compare(*sides, "--strict").returncode == 4


def test_other_versions_of_torch_are_listed(speed: Speed) -> None:
    done = speed.compare(speed.side("a"), speed.side("b", machine={"torch": "2.10", "boost": "1"}))
    assert (done.returncode, speed.file["verdict"]) == (0, "pass")
    assert "torch: 2.9 in A, 2.10 in B" in done.stderr
    assert {difference["field"]: difference["effect"] for difference in speed.file["card"]} == {
        "torch": "listed",
        "boost": "unknown",
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), 9)", "its worker died (SIGKILL)"),
        ("print('no memory\\x1b[2J', file=sys.stderr); sys.exit(7)", "ended with exit code 7: no memory\\x1b[2J"),
        ("time.sleep(60)", "its worker hung: no answer for 4 s"),
        ("print('hello', flush=True)", "its worker answered 'hello'"),
        ("print('[1]', flush=True)", "its worker answered '[1]'"),
        ("answer(float('nan'))", "its worker measured nan seconds"),
        ("print('[' * 100000, flush=True)", "its worker answered '[[["),
        ("answer(0.0)", "its worker measured 0.0 seconds"),
        ("print(json.dumps({'error': 'broken\\nmodel', 'remedy': 'mend it'}), flush=True)", "broken model"),
    ],
)
def test_a_side_that_fails_is_one_clear_line(speed: Speed, body: str, words: str) -> None:
    stall = 4 if "sleep" in body else 200
    done = speed.compare(speed.side("a"), speed.side("b", body), "--stall-seconds", stall)
    assert done.returncode == 3, done.stderr
    first, *more = done.stderr.splitlines()
    assert first.startswith("error: side B (miniature, random weights): ")
    assert words in first
    assert all(line.startswith("  try: ") for line in more)


def test_a_python_without_nova_bench_or_with_too_old_a_build(speed: Speed) -> None:
    bare, old = speed.folder / "bare", speed.folder / "old"
    build = speed.folder / "build" / "nova_bench"
    build.mkdir(parents=True)
    (build / "__init__.py").write_text("__version__ = '0.0.1'")
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    old.write_text(f'#!/bin/sh\nPYTHONPATH={build.parent} exec {sys.executable} -S "$@"\n')
    for path, words in ((bare, "this Python has no nova_bench,"), (old, "this Python has no nova_bench.")):
        path.chmod(0o755)
        done = speed.compare(path, speed.side("b"))
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith(f"error: side A (miniature, random weights): {words}")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("miniature@random", "minature@random", "--speed"), 2, "did you mean 'miniature'"),
        (("miniature@random", ".", "--speed"), 2, "can't be timed"),
        (("miniature@random", "nova-0.6b-t2v", "--speed"), 3, "assets fetch nova-0.6b-t2v"),
        (("miniature@random", "miniature@random", "--speed", "--python-b", "nowhere"), 2, "can't be started"),
        (("miniature@random", "miniature@random", "--speed", "--clock", "sun"), 2, "wall or processor"),
        (("miniature@random", "miniature@random", "--speed", "--html", "x.html"), 2, "not for times (--speed)"),
        (("miniature@random", "miniature@random", "--speed", "--suite", "appendix"), 2, "states no setting to time"),
        (("miniature@random", "miniature@random", "--starts", "3"), 2, "add --speed"),
    ],
)
def test_wrong_use(
    cli: Callable[..., CompletedProcess[str]], arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = cli("compare", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
