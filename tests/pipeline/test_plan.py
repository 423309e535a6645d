"""Plans: what a unit's digest and seed depend on, shared prompts, and what `plan` prints."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.assets import asset_digest
from nova_bench.config.loading import load_suite
from nova_bench.config.suite import Suite
from nova_bench.core.errors import UserError
from nova_bench.core.identity import digest, file_digest, prompt_id, seed_for
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.plan import Plan, make_plan

PROMPTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=6, unique=True
)
SUITE: dict[str, Any] = {
    "name": "plan",
    "title": "Plan",
    "model": {"adapter": "drift"},
    "prompts": {"samples_per_prompt": 2, "entries": ["a cat", {"text": "a dog", "tags": ["animals"]}]},
    "sampling": {"num_frames": 3, "height": 16, "width": 16},
    "scorers": ["brightness"],
}


def plan_of(suite: Suite, limit: int | None = None) -> Plan:
    return make_plan(suite, build_adapter(suite, file_digest, print), file_digest, asset_digest, limit)


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """Plan SUITE with changes: top-level keys as keywords, `--set` assignments as positions."""

    def planned(*assignments: str, limit: int | None = None, **keys: Any) -> Plan:
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump({**SUITE, **keys}, allow_unicode=True), encoding="utf-8")
        return plan_of(load_suite(str(path), assignments), limit)

    return planned


def keys_of(plan: Plan) -> dict[tuple[str, int], tuple[str, int]]:
    """(prompt, sample index) -> (digest, seed)."""
    return {(unit.prompt, unit.sample_index): (unit.digest, unit.seed) for unit in plan.units}


def entries(prompts: Sequence[str]) -> dict[str, Any]:
    return {"entries": [{"text": prompt} for prompt in prompts], "samples_per_prompt": 2}


# What identity depends on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "assignment",
    [
        "execution.batch_size=3",
        "execution.device=cuda:7",
        "execution.executor=ray",
        "execution.workers=5",
        "execution.batch_megabytes=1",
        "model.label=another label",
        "title=Another title",
        "name=another-name",
        "description=something",
        "published=[{label: a, source: b, values: {brightness: 0.5}}]",
        "statistics.resamples=100",
        "statistics.seed=9",
        "report.gallery=0",
        "scorers=[roughness]",
        "scorers=[{name: brightness, settings: {fail_below: 0.5}}]",
        "prompts.entries.1.tags=[other]",
        "prompts.entries.0={text: a cat, reference: cat.mp4}",
        "sampling.guidance_scale=null",
    ],
)
def test_what_does_not_make_a_video_does_not_change_its_identity(planned: Callable[..., Plan], assignment: str) -> None:
    assert keys_of(planned(assignment)) == keys_of(planned())


@pytest.mark.parametrize(
    ("assignment", "new_seeds"),
    [
        ("seed=1338", True),
        ("sampling.num_frames=4", False),
        ("sampling.height=24", False),
        ("sampling.guidance_scale=7", False),
        ("sampling.motion_flow=5", False),
        ("sampling.negative_prompt=blurry", False),
        ("sampling.fps=8", False),
        ("sampling.lossless=true", False),
        ("sampling.num_inference_steps=64", False),
        ("sampling.num_diffusion_steps=25", False),
        ("model.checkpoint=b", False),
    ],
)
def test_what_makes_a_video_changes_every_digest(
    planned: Callable[..., Plan], assignment: str, new_seeds: bool
) -> None:
    before, after = keys_of(planned()), keys_of(planned(assignment))
    assert before.keys() == after.keys()
    assert not {digest for digest, _ in before.values()} & {digest for digest, _ in after.values()}
    seeds = [before[key][1] == after[key][1] for key in before]
    assert seeds == [not new_seeds] * len(seeds)


def test_what_the_model_is_given_counts_and_the_seed_stays_with_the_prompt(planned: Callable[..., Plan]) -> None:
    before = keys_of(planned())
    after = keys_of(planned("prompts.entries.0={text: a cat, model_text: a cat in great detail}"))
    for index in (0, 1):
        assert after["a cat", index][0] != before["a cat", index][0]
        assert after["a cat", index][1] == before["a cat", index][1]
        assert after["a dog", index] == before["a dog", index]


def test_a_first_frame_counts_by_its_content(planned: Callable[..., Plan], tmp_path: Path) -> None:
    def with_frame(name: str, content: bytes) -> dict:
        (tmp_path / name).write_bytes(content)
        return keys_of(planned(prompts={"entries": [{"text": "a cat", "image": name}]}))

    first = with_frame("a.png", b"one")
    assert with_frame("b.png", b"one") == first
    assert with_frame("a.png", b"two") != first
    with pytest.raises(UserError, match=r"first frame .*gone.png can't be read: No such file"):
        planned(prompts={"entries": [{"text": "a cat", "image": "gone.png"}]})


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(prompts=PROMPTS, data=st.data())
def test_order_company_and_limit_change_no_unit(planned: Callable[..., Plan], prompts: list[str], data: Any) -> None:
    whole = planned(prompts=entries(prompts))
    assert len({unit.digest for unit in whole.units}) == len({unit.seed for unit in whole.units}) == 2 * len(prompts)
    shuffled = data.draw(st.permutations(prompts))
    assert keys_of(planned(prompts=entries(shuffled))) == keys_of(whole)
    some = shuffled[: data.draw(st.integers(1, len(prompts)))]
    assert keys_of(planned(prompts=entries(some))).items() <= keys_of(whole).items()
    limit = data.draw(st.integers(1, 2 * len(prompts)))
    assert planned(prompts=entries(prompts), limit=limit).units == whole.units[:limit]


@given(st.integers(0), st.text(st.characters(exclude_categories=["Cs"])), st.integers(0))
def test_seeds_fit_torch_and_numpy_generators(suite_seed: int, prompt: str, index: int) -> None:
    assert 0 <= seed_for(suite_seed, prompt_id(prompt), index) < 2**63


def test_identities_are_sha256_of_canonical_json() -> None:
    """Stores outlive versions: the bytes that are digested are written out here."""
    assert prompt_id("a cat") == hashlib.sha256(b'prompt\0["a cat",""]').hexdigest()[:16] == "d25b319d8f43252e"
    seed = hashlib.sha256(b'seed\0[1337,"d25b319d8f43252e",3]').digest()
    assert seed_for(1337, "d25b319d8f43252e", 3) == int.from_bytes(seed[:8], "big") // 2
    content = '{"a":[true,null],"b":1.0,"\u00e9":"\u00fc"}'
    assert (
        digest("unit", {"é": "ü", "b": 1.0, "a": [True, None]})
        == hashlib.sha256(f"unit\0{content}".encode()).hexdigest()
    )


def test_numbers_that_equal_nothing_have_no_digest() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest("unit", [float("nan")])


# Shared prompts ------------------------------------------------------------------------------------------------------


def test_a_prompt_that_several_parts_share_is_made_once_with_all_its_tags(planned: Callable[..., Plan]) -> None:
    shared = [
        {"text": "a cat", "tags": ["color"], "samples": 3},
        {"text": "a dog", "tags": ["scene"]},
        {"text": "a cat", "tags": ["scene", "color"], "model_text": "a cat", "reference": "cat.mp4"},
        {"text": "A cat", "tags": ["case counts"]},
    ]
    units = planned(prompts={"entries": shared, "samples_per_prompt": 2}).units
    assert [(unit.prompt, unit.sample_index, unit.tags) for unit in units] == [
        ("a cat", 0, ("color", "scene")),
        ("a cat", 1, ("color", "scene")),
        ("a cat", 2, ("color", "scene")),
        ("a dog", 0, ("scene",)),
        ("a dog", 1, ("scene",)),
        ("A cat", 0, ("case counts",)),
        ("A cat", 1, ("case counts",)),
    ]
    assert [Path(unit.reference).name for unit in units[:3]] == ["cat.mp4"] * 3


def test_one_prompt_with_two_references_is_refused(planned: Callable[..., Plan]) -> None:
    twice = [{"text": "a cat", "reference": "a.mp4"}, {"text": "a cat", "reference": "b.mp4"}]
    with pytest.raises(UserError, match="prompt 'a cat' has two references"):
        planned(prompts={"entries": twice})


def test_a_scorer_with_tags_sees_only_its_prompts(planned: Callable[..., Plan]) -> None:
    plan = planned(scorers=[{"name": "brightness", "tags": ["animals"]}, "roughness"])
    seen = [[unit.prompt for unit in plan.units if scorer.applies_to(unit)] for scorer in plan.scorers]
    assert seen == [["a dog"] * 2, ["a cat"] * 2 + ["a dog"] * 2]


# Bad plans -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompts": None}, "needs prompts"),
        ({"prompts": {"samples_per_prompt": 2}}, "needs prompts"),
        ({"prompts": {"entries": ["a"], "file": "prompts.txt"}}, "prompts.entries and prompts.file at once"),
        ({"prompts": {"file": "gone.txt"}}, "gone.txt: can't be read"),
        ({"prompts": {"file": "gone.csv"}}, "gone.csv: can't be read"),
        ({"prompts": {"file": "prompts.xlsx"}}, "neither .csv nor .jsonl"),
        ({"prompts": {"file": "empty.txt"}}, "no prompts"),
        ({"prompts": {"entries": [*"abc"], "samples_per_prompt": 10**6}}, "3000000 samples, more than 1000000"),
        ({"prompts": {"entries": ["a"], "samples_per_prompt": 10**12}}, "expected at most 1000000"),
        ({"scorers": ["brightness", "brightness"]}, "scorer 'brightness' appears twice"),
    ],
)
def test_a_suite_without_a_plan_says_why(
    planned: Callable[..., Plan], tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(UserError, match=message):
        planned(**keys)


# Prompt files --------------------------------------------------------------------------------------------------------


def test_a_text_file_has_one_prompt_a_line(planned: Callable[..., Plan], tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes("\ufeffa cat\r\n\n  a dog  \nline\u2028separator".encode())
    units = planned(prompts={"file": "prompts.txt"}).units
    assert [unit.prompt for unit in units] == ["a cat", "a dog", "line\u2028separator"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_of_prompts_has_the_fields_of_an_entry(planned: Callable[..., Plan], tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    if kind == "csv":
        text = 'text,tags,samples,reference,x_mine\n"a cat, asleep",color;scene,3,cat.mp4,1\na dog,,,,\n'
    else:
        rows = [
            {"text": "a cat, asleep", "tags": ["color", "scene"], "samples": 3, "reference": "cat.mp4", "x_mine": 1},
            {"text": "a dog"},
        ]
        text = "\n".join(map(json.dumps, rows))
    (folder / f"prompts.{kind}").write_text(text, encoding="utf-8")
    units = planned(prompts={"file": f"inner/prompts.{kind}"}).units
    assert [(unit.prompt, unit.sample_index) for unit in units] == [
        ("a cat, asleep", 0),
        ("a cat, asleep", 1),
        ("a cat, asleep", 2),
        ("a dog", 0),
    ]
    assert units[0].tags == ("color", "scene")
    assert units[0].reference == str(folder / "cat.mp4")


# The command ---------------------------------------------------------------------------------------------------------


def test_plan_tells_what_is_missing_before_and_done_after_a_run(cli: Callable, write_suite: Callable) -> None:
    suite = write_suite()
    before = cli("plan", suite)
    assert before.returncode == 0, before.stderr
    assert "samples: 6, prompts: 3, scorers: 2" in before.stdout
    assert rows_of(before.stdout) == {
        "samples": ["0", "6", "?"],
        "brightness": ["0", "6", "?"],
        "roughness": ["0", "6", "?"],
    }
    assert "assets: none missing" in before.stdout
    assert "disk: about 86 bytes for the missing samples" in before.stdout
    assert "time: unknown" in before.stdout

    assert cli("run", suite).returncode == 0
    after = rows_of(cli("plan", suite).stdout)
    assert after == {name: ["6", "0", "0:00:00"] for name in ("samples", "brightness", "roughness")}

    more = cli("plan", suite, "--set", "prompts.samples_per_prompt=3000", "--set", "model.seconds=0.1").stdout
    assert {name: row[:2] for name, row in rows_of(more).items()} == {
        name: ["6", "8994"] for name in ("samples", "brightness", "roughness")
    }
    assert "time: 0:" in more
    assert "?" not in more


def rows_of(text: str) -> dict[str, list[str]]:
    table = text.split("\n\n")[1].splitlines()[2:]
    return {line.split()[0]: line.split()[1:] for line in table}


def test_plan_writes_nothing(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    suite = write_suite()
    cli("plan", suite)
    assert list(tmp_path.iterdir()) == [suite]


def test_plan_needs_no_torch(environment: dict[str, str], write_suite: Callable) -> None:
    assert heavy_modules(environment, "plan", str(write_suite())) == []


def heavy_modules(environment: dict[str, str], *arguments: str) -> list[str]:
    code = (
        "import sys, contextlib, io\n"
        "from nova_bench.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    app(sys.argv[1:])\n"
        "heavy = ['torch', 'cv2', 'av', 'pandas', 'matplotlib', 'diffusers', 'transformers', 'scipy', 'numpy']\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.replace("'", '"'))


def test_a_vbench_sized_suite_has_a_unit_for_every_sample(cli: Callable, tmp_path: Path) -> None:
    """How fast it is, `benchmarks/plan_speed.py` tells."""
    (tmp_path / "prompts.txt").write_text("\n".join(f"prompt {number}" for number in range(946)))
    suite = {**SUITE, "prompts": {"file": "prompts.txt", "samples_per_prompt": 5}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    assert "samples: 4730, prompts: 946" in cli("plan", "suite.yaml").stdout
