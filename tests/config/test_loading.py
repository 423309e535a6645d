"""Suite files: inheritance, `--set`, and errors that name file, line, what was expected and the nearest valid name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import Suite
from nova_bench.config.suite_files import known_suites
from nova_bench.config.yaml_source import parse, parse_assignment
from nova_bench.core.errors import SuiteError
from nova_bench.experiments.registry import BENCHMARK, kind_of

WHOLE = """\
    name: whole
    title: A whole suite
    model:
      adapter: drift
    prompts:
      entries:
        - a cat
        - text: a dog
          tags: [animals]
    sampling:
      num_frames: 3
    scorers:
      - brightness
    """

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "suite.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


def failure(path: Path | str, *assignments: str) -> str:
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path), assignments)
    return caught.value.message


@pytest.mark.parametrize("name", sorted(name for name in known_suites() if kind_of(name) == BENCHMARK))
def test_every_bundled_suite_is_valid(name: str) -> None:
    assert load_suite(name).name == name


def test_a_kind_that_is_no_word(write: Write) -> None:
    with pytest.raises(SuiteError, match="unknown kind"):
        kind_of(str(write("kind: [study]\n" + dedent(WHOLE))))


def test_a_suite_is_frozen(write: Write) -> None:
    suite = load_suite(str(write(WHOLE)))
    with pytest.raises(ValueError, match="frozen"):
        suite.seed = 3


# Wrong keys, names and types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("title:", "titel:", 2, "unknown key 'titel'; did you mean 'title'?"),
        ("title:", "extend:", 2, "unknown key 'extend'; did you mean 'extends'?"),
        ("num_frames:", "num_frame:", 11, "unknown key 'num_frame' in sampling; did you mean 'num_frames'?"),
        ("tags:", "tag:", 9, "unknown key 'tag' in prompts.entries.1; did you mean 'tags'?"),
        ("drift", "drfit", 4, "unknown model adapter 'drfit'; did you mean 'drift'?"),
        ("- brightness", "- brightnes", 13, "unknown scorer 'brightnes'; did you mean 'brightness'?"),
        ("num_frames: 3", "num_frames: many", 11, "sampling.num_frames: expected a whole number (got 'many')"),
        ("num_frames: 3", "num_frames: 3.5", 11, "sampling.num_frames: expected a whole number (got 3.5)"),
        ("num_frames: 3", "num_frames: true", 11, "sampling.num_frames: expected a number (got True)"),
        ("num_frames: 3", "num_frames: 0", 11, "sampling.num_frames: expected at least 1 (got 0)"),
        ("num_frames: 3", "guidance_scale: .inf", 11, "sampling.guidance_scale: expected a finite number (got inf)"),
        ("num_frames: 3", "lossless: maybe", 11, "sampling.lossless: expected true or false (got 'maybe')"),
        ("[animals]", "animals", 9, "prompts.entries.1.tags: expected a list (got 'animals')"),
        ("A whole suite", "2024", 2, "title: expected text, in quotes (got 2024)"),
        ("name: whole", "name: Whole suite", 1, "name: expected text of the form ^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("sampling:\n", "execution:\n", 11, "unknown key 'num_frames' in execution"),
        ("- brightness", "- {name: brightness, settings: {fail: 1}}", 13, "unknown key 'fail' in scorers.0.settings"),
        ("- brightness", "- {tags: [x]}", 13, "scorers.0: expected the name of a scorer"),
        ("  adapter: drift", "  checkpoint: b", 3, "model: expected a mapping with the key `adapter`"),
        (
            "  adapter: drift",
            "  adapter: drift\n      fail_on: 7",
            5,
            "model.fail_on: expected text, in quotes (got 7)",
        ),
        ("  num_frames: 3", "  - 3", 10, "sampling: expected a mapping"),
        ("- a cat", "- no", 7, "prompts.entries.0.text: expected text, in quotes (got False)"),
        (
            "- brightness",
            "- brightness\n    published: [{label: a, source: b, values: {brightness: 97.5}}]",
            14,
            "published.0.values.brightness: 97.5 is out of range: brightness is between 0 and 1",
        ),
    ],
)
def test_an_error_names_the_line_what_was_expected_and_the_nearest_name(
    write: Write, old: str, new: str, line: int, message: str
) -> None:
    assert old in WHOLE
    path = write(WHOLE.replace(old, new, 1))
    told = next(text for text in failure(path).splitlines() if message.partition(":")[0] in text)
    assert told.startswith(f"{path}:{line}: ")
    assert message in told


def test_a_missing_key_is_named(write: Write) -> None:
    path = write(WHOLE.replace("title: A whole suite", "seed: 1"))
    assert failure(path) == f"{path}:1: missing key 'title'"


def test_a_literal_gets_the_nearest_choice(write: Write) -> None:
    path = write(dedent(WHOLE) + "execution:\n  executor: lokal\n")
    assert failure(path) == (
        f"{path}:15: execution.executor: expected 'inline', 'local' or 'ray' (got 'lokal'); did you mean 'local'?"
    )


def test_many_errors_are_told_together_and_cut(write: Write) -> None:
    path = write(dedent(WHOLE) + "".join(f"key{number}: 1\n" for number in range(9)))
    lines = failure(path).splitlines()
    assert [line.split(": ")[0] for line in lines[:5]] == [f"{path}:{14 + number}" for number in range(5)]
    assert lines[5:] == ["... and 4 more"]


def test_a_long_value_is_cut(write: Write) -> None:
    path = write(WHOLE.replace("num_frames: 3", f"num_frames: {'x' * 10_000}"))
    assert len(failure(path)) < 300 + len(str(path))


# What YAML itself can do wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a suite must be a mapping"),
        ("# nothing but a remark\n", 1, "a suite must be a mapping"),
        ("\n- a\n- b\n", 2, "a suite must be a mapping"),
        ("just words\n", 1, "a suite must be a mapping"),
        ("name: a\nname: b\n", 2, "key 'name' appears twice (first in line 1)"),
        ("name: a\nsampling:\n  fps: 1\n  fps: 2\n", 4, "key 'fps' appears twice (first in line 3)"),
        ("name: a\ntitle: [1,\n", 3, "expected the node content"),
        ("name: a\ntitle: b: c\n", 2, "mapping values are not allowed here"),
        ("name: a\nsampling:\n\tfps: 1\n", 3, "cannot start any token"),
        ("name: *nobody\n", 1, "undefined alias 'nobody'"),
        ("name: a\nmodel: &m\n  x: *m\n", 2, "an alias refers to its own parent"),
        ("name: a\nmodel: !!python/object/apply:os.system [true]\n", 2, None),
        ("name: a\ntitle: 2024-02-30\n", 2, "quote it"),
        ("name: a\n[1, 2]: b\n", 2, "a key must be a word"),
        ("name: a\n--- \nname: b\n", 2, "found another document"),
        ("name: a\ntitle: \x07\n", 2, "the character U+0007 is not allowed"),
        (f"name: a\nseed: {'9' * 5000}\n", 2, "quote it"),
    ],
)
def test_yaml_that_is_no_suite(write: Write, text: str, line: int, message: str | None) -> None:
    path = write("x")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    told = f"{caught.value.message} {caught.value.remedy}"
    assert told.startswith(f"{path}:{line}: ")
    assert message is None or message in told
    assert "\n" not in told


def test_a_file_that_is_not_utf8(write: Write) -> None:
    path = write("x")
    path.write_bytes(b"name: a\ntitle: caf\xe9\n")
    assert failure(path) == f"{path}:2: not UTF-8"


def test_aliases_that_multiply_are_refused_in_time(write: Write) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 200000 values" in failure(write("\n".join(levels)))


def test_deep_nesting_is_refused(write: Write) -> None:
    assert "nested too deeply" in failure(write("name: " + "[" * 20_000 + "]" * 20_000))


def test_merge_keys_and_anchors_work(write: Write) -> None:
    path = write(
        """\
        name: anchors
        title: Anchors
        model: {adapter: drift}
        prompts:
          entries:
            - &cat {text: a cat, tags: [animals]}
            - &dog {<<: *cat, text: a dog}
            - {<<: *dog, samples: 3}
        scorers: [brightness]
        """
    )
    entries = load_suite(str(path)).prompts.entries
    assert [(entry.text, entry.tags, entry.samples) for entry in entries] == [
        ("a cat", ("animals",), None),
        ("a dog", ("animals",), None),
        ("a dog", ("animals",), 3),
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_no_content_brings_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    assert caught.value.message.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0123", 123),
        ("0o17", "0o17"),
        ("0899", 899),
        ("-033", -33),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-0b101", -5),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("1.10", 1.1),
        ("'0123'", "0123"),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_numbers_are_read_as_they_are_written(write: Write, written: str, value: object) -> None:
    """In a file as in an option."""
    source = parse(write(f"a: {written}\n"))
    assert (source.data["a"], type(source.data["a"])) == (value, type(value))
    assert parse_assignment(f"a={written}") == (("a",), source.data["a"])


@pytest.mark.parametrize(
    "written", ["0b" + "1" * 73, "0x" + "b" * 9000, "-" + "9" * 20, "9" * 5000, str(2**64), "1" * 10**6], ids=len
)
def test_integers_beyond_64_bits_are_refused_in_time(write: Write, written: str) -> None:
    path = write(f"name: a\nseed: {written}\n")
    assert failure(path).startswith(f"{path}:2: '{written[:20]}")
    assert failure(path).endswith("an integer of more than 64 bits")
    assert "an integer of more than 64 bits" in failure(write(WHOLE), f"seed={written}")


@pytest.mark.parametrize("key", ["seed", "statistics.seed"])
@pytest.mark.parametrize("value", [-1, 1.5, "true", "1:30", "2024-01-01", "1e3", "[1]", ".nan", '"x"'])
def test_a_seed_is_an_integer_of_64_bits(write: Write, key: str, value: object) -> None:
    assert load_suite(str(write(WHOLE)), [f"{key}=18446744073709551615"])
    told = failure(write(WHOLE), f"{key}={value}")
    assert told.startswith(f"--set {key}={value}: {key}: expected ")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("prompts.shapes.count=99999999", "prompts.shapes.count: expected at most 1000000 (got 99999999)"),
        ("sampling.num_frames=10_000_000", "sampling.num_frames: expected at most 100000"),
        ("sampling.lossless=2024-01-01", "sampling.lossless: expected true or false"),
        ("title=2024-01-01", "title: expected text, in quotes"),
        ("sampling.motion_flow=1:30", "sampling.motion_flow: expected a number (got '1:30')"),
        ("sampling.motion_flow=true", "sampling.motion_flow: expected a number (got True)"),
        ("sampling.num_frames=true", "sampling.num_frames: expected a number (got True)"),
        ("sampling.guidance_scale=.nan", "sampling.guidance_scale: expected a finite number (got nan)"),
        ("sampling.guidance_scale=1e999", "sampling.guidance_scale: expected a finite number (got '1e999')"),
        ('title="\\ud800"', "'\\ud800': half of a surrogate pair is not a character"),
        ('{"\\ud800": 1}=1', "unknown key"),
        ('published=[{label: a, source: b, values: {"\\ud800": 1}}]', "half of a surrogate pair"),
        ("title={a: 1, a: 2}", "key 'a' appears twice"),
        ("title=!!int x", "invalid literal"),
    ],
)
def test_a_value_of_another_kind_is_one_line(write: Write, assignment: str, message: str) -> None:
    told = failure(write(WHOLE), assignment)
    assert told.startswith("--set ")
    assert message in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "base",
    ["~nosuchuser/base.yaml", "./gone.yaml", "../gone.yaml", "/gone/x.yaml", "gone/", ".", "x" * 5000, '"a\\0b"'],
)
def test_a_base_that_is_no_file(write: Write, base: str) -> None:
    top = write(f"name: top\nextends: {base}\n", "top.yaml")
    assert failure(top).startswith(f"{top}:2: extends: no file ")


def test_a_base_that_is_no_regular_file(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    top = write("name: top\nextends: pipe.yaml\n", "top.yaml")
    assert "extends: no file" in failure(top)
    assert "not a regular file" in failure(tmp_path / "pipe.yaml")
    assert "not a regular file" in failure("/dev/zero")
    assert "no such suite" in failure(tmp_path)


def test_too_many_suites_in_a_row(write: Write) -> None:
    for number in range(1, 1001):
        path = write(f"extends: s{number - 1}.yaml\n", f"s{number}.yaml")
    write(WHOLE, "s0.yaml")
    assert "suites extend one another" in failure(path)
    assert load_suite(str(path.with_name("s30.yaml"))).name == "whole"


def test_a_file_that_is_no_suite_by_its_size(write: Write) -> None:
    path = write("x")
    with path.open("ab") as stream:
        stream.truncate(10**9)
    assert "larger than" in failure(path)


# Inheritance ---------------------------------------------------------------------------------------------------------


def test_a_chain_of_suites_merges_mappings_and_replaces_everything_else(write: Write) -> None:
    write(WHOLE, "base.yaml")
    write("extends: ../base.yaml\nsampling: {height: 16}\n", "deeper/middle.yaml")
    top = write("extends: deeper/middle.yaml\nname: top\nsampling: {num_frames: 9}\nscorers: [roughness]\n", "top.yaml")
    suite = load_suite(str(top))
    assert (suite.name, suite.title) == ("top", "A whole suite")
    assert (suite.sampling.num_frames, suite.sampling.height) == (9, 16)
    assert [use.name for use in suite.scorers] == ["roughness"]


def test_an_inherited_mistake_is_told_where_it_was_written(write: Write) -> None:
    base = write(WHOLE.replace("num_frames: 3", "num_frames: x"), "base.yaml")
    top = write("extends: base.yaml\nsampling:\n  height: y\n", "top.yaml")
    assert failure(top).splitlines() == [
        f"{base}:11: sampling.num_frames: expected a whole number (got 'x')",
        f"{top}:3: sampling.height: expected a whole number (got 'y')",
    ]


def test_paths_count_from_the_file_they_were_written_in(write: Write, tmp_path: Path) -> None:
    write(
        WHOLE.replace("        - text: a dog", "        - text: a dog\n          reference: dog.mp4"), "inner/base.yaml"
    )
    top = write("extends: inner/base.yaml\nmodel: {adapter: files, folder: videos}\n", "top.yaml")
    suite = load_suite(str(top), ["prompts.entries.0={text: a cow, image: cow.png}"])
    assert suite.model.folder == str(tmp_path / "videos")
    assert suite.prompts.entries[1].reference == str(tmp_path / "inner" / "dog.mp4")
    assert suite.prompts.entries[0].image == str(Path.cwd() / "cow.png")


@pytest.mark.parametrize("files", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}])
def test_circles_are_refused(write: Write, files: dict[str, str]) -> None:
    for name, base in files.items():
        path = write(f"extends: {base}.yaml\n", f"{name}.yaml")
    assert "extends itself" in failure(path.with_name("a.yaml"))


def test_a_missing_base_gets_the_nearest_file(write: Write, tmp_path: Path) -> None:
    write(WHOLE, "base.yaml")
    top = write("name: top\nextends: bse.yaml\n", "top.yaml")
    assert failure(top) == f"{top}:2: extends: no file {tmp_path / 'bse.yaml'}; did you mean 'base.yaml'?"


def test_another_adapter_replaces_the_model_section(write: Write) -> None:
    write(WHOLE.replace("adapter: drift", "adapter: drift\n      checkpoint: b"), "base.yaml")
    same = write("extends: base.yaml\nmodel: {fail_on: dog}\n", "same.yaml")
    other = write("extends: base.yaml\nmodel: {adapter: files, folder: videos}\n", "other.yaml")
    assert load_suite(str(same)).model.checkpoint == "b"
    assert load_suite(str(other)).model.adapter == "files"


def test_a_model_from_the_command_line_replaces_the_section_and_counts_from_the_working_directory(write: Write) -> None:
    path = write(WHOLE.replace("adapter: drift", "adapter: files\n      folder: elsewhere"), "inner/suite.yaml")
    model = load_suite(str(path), model={"adapter": "files", "folder": "videos"}).model
    assert model.folder == str(Path.cwd() / "videos")
    with pytest.raises(SuiteError, match=r"^--model: model: give exactly one of"):
        load_suite(str(path), model={"adapter": "files"})


# --set ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "find", "value"),
    [
        ("sampling.num_frames=9", lambda suite: suite.sampling.num_frames, 9),
        ("sampling.num_frames=null", lambda suite: suite.sampling.num_frames, None),
        ("sampling.guidance_scale=6.5", lambda suite: suite.sampling.guidance_scale, 6.5),
        ("sampling.lossless=true", lambda suite: suite.sampling.lossless, True),
        ("sampling={height: 8}", lambda suite: suite.sampling.num_frames, None),
        ('title="12"', lambda suite: suite.title, "12"),
        ("title=a=b", lambda suite: suite.title, "a=b"),
        ("scorers=[roughness]", lambda suite: [use.name for use in suite.scorers], ["roughness"]),
        ("scorers.0=roughness", lambda suite: [use.name for use in suite.scorers], ["roughness"]),
        ("scorers.0.tags=[animals]", lambda suite: suite.scorers[0].tags, ("animals",)),
        ("scorers.0.settings.fail_below=0.5", lambda suite: suite.scorers[0].settings.fail_below, 0.5),
        ("prompts.entries.1.text=a cow", lambda suite: suite.prompts.entries[1].text, "a cow"),
        ("statistics.seed=4", lambda suite: suite.statistics.seed, 4),
    ],
)
def test_set_takes_every_type(write: Write, assignment: str, find: Callable[[Suite], object], value: object) -> None:
    assert find(load_suite(str(write(WHOLE)), [assignment])) == value


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sampling.num_frame=9", "unknown key 'num_frame' in sampling; did you mean 'num_frames'?"),
        ("sampling.num_frames=many", "sampling.num_frames: expected a whole number (got 'many')"),
        ("scorers.0=brightnes", "unknown scorer 'brightnes'; did you mean 'brightness'?"),
        ("scorers.5=roughness", "5 is not an index of a list of 1"),
        ("scorers.first=roughness", "'first' is not an index of a list of 1"),
        ("title.short=x", "'short' is inside a plain value"),
        ("title", "not of the form `key=value`"),
        ("=3", "not of the form `key=value`"),
        ("title=[", "the value is not valid YAML"),
        ("seed=2024-02-30", "'2024-02-30': day is out of range for month"),
        ("scorers.²=x", "'²' is not an index of a list of 1"),
    ],
)
def test_a_wrong_set_is_told_as_such(write: Write, assignment: str, message: str) -> None:
    assert failure(write(WHOLE), assignment) == f"--set {assignment}: {message}"


def test_later_assignments_win(write: Write) -> None:
    assert load_suite(str(write(WHOLE)), ["seed=1", "seed=2"]).seed == 2


def test_execution_options_come_last_and_are_taken_as_they_are(write: Write) -> None:
    suite = load_suite(str(write(WHOLE)), ["execution.device=cpu"], options={("execution", "device"): "cuda:1"})
    assert suite.execution.device == "cuda:1"
    with pytest.raises(SuiteError, match=r"^--executor: execution.executor: expected 'inline'"):
        load_suite(str(write(WHOLE)), options={("execution", "executor"): "[x"})


def test_a_suite_that_is_not_there_gets_the_nearest_name() -> None:
    assert failure("clisp") == "clisp: no such suite; did you mean 'clips'?"
    assert "no such suite" in failure("x" * 5000)


def test_suites_are_found_by_name_from_any_folder(cli: Callable, tmp_path: Path) -> None:
    for name in ("shapes", "shapes.yaml", "suites/shapes.yaml"):
        assert "shapes" in cli("plan", name).stdout, name


def test_a_suite_of_the_current_folder_wins_and_is_announced(cli: Callable, write_suite: Callable) -> None:
    own = write_suite()
    own.rename(own.with_name("shapes.yaml"))
    result = cli("run", "shapes")
    assert result.returncode == 0, result.stderr
    assert "shapes.yaml, in place of nova_bench's own shapes.yaml" in result.stderr + result.stdout


@pytest.mark.parametrize("how", ["--suites", "variable"])
def test_users_add_folders_of_suites(
    cli: Callable, environment: dict, write_suite: Callable, tmp_path: Path, how
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write_suite().rename(folder / "mine_alone.yaml")
    if how == "variable":
        environment["NOVA_BENCH_SUITES"] = str(folder)
    option = [how, str(folder)] if how == "--suites" else []
    assert "mine_alone" in cli("list", *option).stdout
    planned = cli("plan", "mine_alone", *option)
    assert planned.returncode == 0, planned.stderr
    assert cli("plan", "shapes", "--suites", str(tmp_path / "absent")).returncode == 2


def test_a_manifest_names_the_files_of_its_suite(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    base = write_suite()
    (tmp_path / "above.yaml").write_text(f"extends: {base.name}\nname: above\n")
    assert cli("run", "above.yaml").returncode == 0
    (manifest,) = tmp_path.glob("runs/above-*/manifest.json")
    files = json.loads(manifest.read_text())["suite_files"]
    assert [Path(file["path"]).name for file in files] == ["above.yaml", base.name]
    assert [file["sha256"] for file in files] == [
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("above.yaml", base.name)
    ]
