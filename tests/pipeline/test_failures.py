"""Failed samples: tried again when that can help, told by kind, listed in full, and counted against a limit."""

from __future__ import annotations

import csv
import errno
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.core.errors import FileChanged, MediaError
from nova_bench.execute.base import LostWorker
from nova_bench.pipeline.failures import CAUSE, failure_details, kind_of, with_cause

PASSED_OVER = "samples that failed before were not retried"


@pytest.fixture
def run(cli, write_suite):
    """Run a suite whose scorer fails on dogs and darkness; the model can't draw birds."""

    def run(*arguments, fail_on="dog", **keys):
        even = {"name": "even", "settings": {"fail_on": fail_on}}
        defaults = {
            "model": {"adapter": "drift", "fail_on": "bird"},
            "prompts": {"samples_per_prompt": 2, "entries": ["a cat", "a dog", "a house", "a bird"]},
            "scorers": ["roughness", even],
        }
        write_suite(**{**defaults, **keys})
        return cli("run", "suite.yaml", "--store", "store", "--device", "cpu", *arguments)

    return run


def _failures(folder):
    (path,) = folder.glob("store/smoke-*/report/failures.csv")
    return list(csv.DictReader(path.open()))


def _counts(folder):
    """How often anything was scored or generated, by the running totals from which `plan` estimates."""
    with closing(sqlite3.connect(folder / "store" / "store.sqlite")) as database:
        return database.execute("SELECT sum(items) FROM timings WHERE what = 'even'").fetchone()[0]


def test_every_failure_is_listed_and_equal_ones_are_one_line(run, tmp_path):
    ended = run()
    assert ended.returncode == 3
    found = _failures(tmp_path)
    assert [(f["prompt"], f["sample_index"], f["stage"], f["scorer"], f["message"]) for f in found] == [
        ("a bird", "0", "generate", "", "ValueError: drift can't draw 'bird'"),
        ("a bird", "1", "generate", "", "ValueError: drift can't draw 'bird'"),
        ("a dog", "0", "score", "even", "ValueError: can't tell"),
        ("a dog", "1", "score", "even", "ValueError: can't tell"),
    ]
    assert all((tmp_path / "store" / f["file"]).is_file() for f in found[2:])
    assert ended.stderr.count("can't tell") == ended.stderr.count("can't draw") == 1
    assert "2 samples: ValueError: can't tell (the first: 'a dog')" in ended.stderr
    (log,) = tmp_path.glob("store/smoke-*/run.log")
    assert log.read_text().count("INFO score: even: ValueError: can't tell") == 1
    assert "INFO score: even: 2 times: ValueError: can't tell" in log.read_text()


@pytest.mark.slow
def test_a_rerun_tries_failures_again_only_when_asked(run, cli, tmp_path):
    run()
    tried = _counts(tmp_path)
    again = run()
    assert f"4 {PASSED_OVER}" in again.stderr
    assert _counts(tmp_path) == tried
    assert again.returncode == 3
    assert len(_failures(tmp_path)) == 4
    planned = " ".join(cli("plan", "suite.yaml", "--store", "store").stdout.split())
    assert "even 4 4 (2 failed before)" in planned
    forced = run("--retry-failed")
    assert PASSED_OVER not in forced.stderr
    assert _counts(tmp_path) == tried + 2, "the two dogs"
    with closing(sqlite3.connect(tmp_path / "store" / "store.sqlite")) as database, database:
        database.execute("UPDATE rows SET details = '{}' WHERE status = 'failed'")
    assert f"2 {PASSED_OVER}" in run().stderr, "an older store's rows don't say what they depended on"
    assert _counts(tmp_path) == tried + 4


@pytest.mark.slow
def test_code_of_a_plugin_that_changed_has_failures_tried_again(fresh_cli, write_suite, tmp_path, environment):
    from tests.conftest import PLUGIN, ROOT

    shutil.copytree(PLUGIN, tmp_path / "plugin")
    path = f"{ROOT}:{tmp_path / 'plugin'}"
    write_suite(scorers=[{"name": "even", "settings": {"fail_on": "dog"}}])
    command = ("run", "suite.yaml", "--store", "store", "--device", "cpu")
    assert fresh_cli(*command, PYTHONPATH=path).returncode == 3
    module = tmp_path / "plugin" / "nova_bench_testkit.py"
    module.write_text(module.read_text().replace('raise ValueError("can\'t tell")', "pass"))
    mended = fresh_cli(*command, PYTHONPATH=path)
    assert (mended.returncode, PASSED_OVER in mended.stderr) == (0, False), mended.stderr
    assert not list(tmp_path.glob("store/smoke-*/report/failures.csv")), "nothing fails any more"


def test_memory_that_ran_out_is_tried_again(run, tmp_path):
    scorers = [{"name": "brightness", "settings": {"no_memory_on": "dog", "once": str(tmp_path / "once")}}]
    keys = {"scorers": scorers, "prompts": {"entries": ["a cat", "a dog"]}, "model": {"adapter": "drift"}}
    assert run("--batch-size", "1", **keys).returncode == 3
    again = run(**keys)
    assert (again.returncode, PASSED_OVER in again.stderr) == (0, False), again.stderr


def test_a_scorer_that_cannot_be_built_is_its_own_failure(run, tmp_path):
    scorers = ["roughness", {"name": "brightness", "settings": {"broken": True}}]
    keys = {"scorers": scorers, "prompts": {"entries": ["a cat", "a dog"]}, "model": {"adapter": "drift"}}
    ended = run(**keys)
    assert ended.returncode == 3
    problem = "the scorer can't be used: RuntimeError: weights of another size"
    assert f"not computed: 2 of 2 samples failed: {problem}" in " ".join(ended.stdout.split())
    assert [(f["scorer"], f["message"]) for f in _failures(tmp_path)] == [("brightness", problem)] * 2
    with closing(sqlite3.connect(tmp_path / "store" / "store.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM rows WHERE scorer = 'roughness' AND status = 'ok'").fetchone()[0]


@pytest.mark.parametrize(("most", "failed", "scored"), [(0, 1, 3), (1, 2, 4), (2, 2, 6)])
def test_a_run_stops_at_too_many_failures_and_continues(run, tmp_path, most, failed, scored):
    keys = {"model": {"adapter": "drift"}, "prompts": {"samples_per_prompt": 2, "entries": ["a cat", "a dog", "a cow"]}}
    ended = run("--max-failures", most, "--batch-size", "1", **keys)
    assert ended.returncode == 3
    stopped = f"{failed} samples failed, --max-failures allows {most}; everything finished is kept"
    assert (stopped in ended.stderr) == (failed > most)
    assert _counts(tmp_path) == scored
    assert len(_failures(tmp_path)) == failed
    if most == 0:
        run(**keys)
        assert _counts(tmp_path) == 6, "only what was not tried yet"
        assert len(_failures(tmp_path)) == 2


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (MemoryError(), True),
        (LostWorker("gone"), True),
        (FileChanged("a.mp4: changed since it was recorded"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (ConnectionResetError("by peer"), True),
        (ValueError("odd"), False),
        (MediaError("cut"), False),
        (FileNotFoundError(errno.ENOENT, "No such file"), False),
    ],
)
def test_what_lies_in_the_machine_has_no_cause(error, passing):
    wrapped = MediaError("a.mp4: can't be read", "look at it")
    wrapped.__cause__ = error
    for failure in (error, wrapped):
        assert (CAUSE in with_cause(failure_details(failure), "c")) is not passing
    assert failure_details(wrapped)["remedy"] == "look at it"


def test_a_damaged_file_that_ffmpeg_calls_an_input_output_error_is_the_files_fault():
    import av

    assert not failure_details(av.error.OSError(errno.EIO, "Input/output error", "a.mp4")).get("passing")


_names = st.text("abcxyz0189 -.", min_size=1, max_size=12)


@given(st.lists(_names, min_size=2, max_size=9, unique=True), st.integers(0, 10**9))
def test_messages_that_differ_in_the_sample_alone_are_of_one_kind(names, number):
    kinds = {
        kind_of(f"/videos/{name}.mp4: frame {number + index} of {name}.mp4 is {index / 7}", [f"/videos/{name}.mp4"])
        for index, name in enumerate(names[:1] * len(names))
    }
    assert len(kinds) == 1
    paths = {kind_of(f"/videos/{name}.mp4: cut short", [f"/videos/{name}.mp4", name]) for name in names}
    assert paths == {"cut short"}
