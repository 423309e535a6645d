"""Generation: what is missing is made, what fails fails alone, what is there is left alone."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.loading import load_suite
from nova_bench.core.errors import StoreError, UserError
from nova_bench.core.identity import file_digest
from nova_bench.core.progress import Progress
from nova_bench.models.base import AdapterContext, Output
from nova_bench.pipeline import generate_worker
from nova_bench.pipeline.failures import Failures
from nova_bench.pipeline.generate import generate
from nova_bench.pipeline.generate_worker import GenerateWorker, build_adapter
from nova_bench.pipeline.place import Place
from nova_bench.pipeline.plan import make_plan
from nova_bench.pipeline.staffing import Staff
from nova_bench.store import Artifact, Draft, FailedUnit, Store
from nova_bench.video import write_image


@pytest.fixture
def planned(write_suite):
    """A plan of six units of the test kit's model, and that model."""

    def plan(*assignments, **keys):
        suite = load_suite(str(write_suite(**keys)), list(assignments))
        context = AdapterContext(suite, "cpu", lambda name: None, lambda path: "", pytest.fail)
        adapter = ADAPTERS.get(suite.model.adapter).build(suite.model, context)
        return make_plan(suite, adapter, lambda path: "", lambda name: ""), adapter

    return plan


class Changed:
    """An adapter whose outputs for one prompt are what ``change`` makes of them."""

    def __init__(self, adapter, change):
        self._adapter, self._change, self.batches = adapter, change, []
        self.digest = adapter.digest

    def generate(self, units):
        self.batches.append([unit.digest for unit in units])
        for output in self._adapter.generate(units):
            changed = self._change(output) if output.unit.prompt == "a dog" else output
            if changed is not None:
                yield changed


def _generate(plan, adapter, root):
    with Store.writer(root) as store:
        progress = Progress(quiet=True)
        worker, staff = GenerateWorker(plan.suite, adapter, plan.model), Staff(plan.suite.execution, store, progress)
        summary = generate(plan, worker, staff, store, progress, Failures(progress))
        return summary, store.artifacts(unit.digest for unit in plan.units)


def _digests(found):
    return {unit: artifact.sha256 for unit, artifact in found.items() if isinstance(artifact, Artifact)}


def test_videos_do_not_depend_on_batch_order_or_what_was_there(planned, tmp_path):
    plan, adapter = planned()
    summary, found = _generate(plan, adapter, tmp_path / "a")
    assert (summary.made, summary.failed, summary.already_there) == (6, 0, 0)
    assert len(set(_digests(found).values())) == 6
    backwards = replace(plan, units=plan.units[::-1])
    one_by_one, _ = planned("execution.batch_size=1")
    part = replace(one_by_one, units=plan.units[1:3])
    assert _generate(part, adapter, tmp_path / "b")[0].made == 2
    summary, others = _generate(backwards, adapter, tmp_path / "b")
    assert (summary.made, summary.already_there) == (4, 2)
    assert _digests(others) == _digests(found)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda output: None, "the model made nothing of it"),
        (lambda output: Output(output.unit), "the model made nothing of it"),
        (lambda output: Output(output.unit, error="too strange"), "too strange"),
        (lambda output: replace(output, frames=output.frames.float()), "float32 pixels, not uint8: it must scale"),
        (
            lambda output: replace(output, frames=output.frames.half() / 0),
            "float16 pixels, not uint8: some are not fin",
        ),
        (lambda output: replace(output, frames=output.frames.numpy().astype("int64")), "int64 pixels, not uint8"),
        (lambda output: replace(output, frames=[[0]]), "the model made a list, not a tensor"),
        (lambda output: replace(output, frames=output.frames[:0]), "pixels of shape [0, 16, 16, 3]"),
        (lambda output: replace(output, frames=output.frames[0]), "pixels of shape [16, 16, 3]"),
    ],
    ids=["left out", "empty", "error", "floats", "nan", "integers", "list", "no frames", "one frame"],
)
def test_a_unit_without_a_proper_result_fails_alone(planned, tmp_path, change, problem):
    plan, adapter = planned()
    summary, found = _generate(plan, Changed(adapter, change), tmp_path / "store")
    assert (summary.made, summary.failed) == (4, 2)
    for unit in plan.units:
        if unit.prompt == "a dog":
            assert isinstance(found[unit.digest], FailedUnit)
            assert problem in found[unit.digest].error
        else:
            assert isinstance(found[unit.digest], Artifact)


def test_an_exception_is_the_culprits_alone_and_is_tried_again_when_asked(planned, tmp_path):
    plan, adapter = planned(model={"adapter": "drift", "fail_on": "dog"})
    summary, found = _generate(plan, adapter, tmp_path / "store")
    assert (summary.made, summary.failed) == (4, 2)
    errors = {f.error for f in found.values() if isinstance(f, FailedUnit)}
    assert errors == {"ValueError: drift can't draw 'dog'"}
    again = Changed(planned()[1], lambda output: output)
    summary, found = _generate(plan, again, tmp_path / "store")
    assert (summary.made, len(summary.passed_over), summary.already_there) == (0, 2, 4)
    insisting = planned("execution.retry_failed=true", model={"adapter": "drift", "fail_on": "dog"})[0]
    summary, found = _generate(insisting, again, tmp_path / "store")
    assert (summary.made, summary.failed, summary.already_there) == (2, 0, 4)
    assert sum(map(len, again.batches)) == 2


def test_a_file_that_vanished_fails_alone(planned, tmp_path):
    plan, adapter = planned()
    gone = Changed(adapter, lambda output: Output(output.unit, path=tmp_path / "gone.mp4"))
    summary, found = _generate(plan, gone, tmp_path / "store")
    assert (summary.made, summary.failed) == (4, 2)
    assert any("gone.mp4: No such file" in f.error for f in found.values() if isinstance(f, FailedUnit))


def test_details_that_are_not_json_are_kept_as_text(planned, tmp_path):
    plan, adapter = planned()
    odd = Changed(adapter, lambda output: replace(output, details={"device": tmp_path, "steps": 3}))
    _, found = _generate(plan, odd, tmp_path / "store")
    details = next(found[unit.digest].details for unit in plan.units if unit.prompt == "a dog")
    assert (details["device"], details["steps"]) == (str(tmp_path), 3)


def test_finished_batches_stay_when_a_later_one_stops_the_run(planned, tmp_path):
    plan, adapter = planned("execution.batch_size=2")

    def stop(output):
        raise StoreError("stop", "here")

    with pytest.raises(StoreError):
        _generate(plan, Changed(adapter, stop), tmp_path / "store")
    with Store.reader(tmp_path / "store") as store:
        found = store.artifacts(unit.digest for unit in plan.units)
    assert [unit.prompt for unit in plan.units if unit.digest in found] == ["a cat", "a cat"]


def test_a_model_that_changed_after_planning_is_refused(planned, tmp_path):
    plan, adapter = planned()
    adapter.digest = lambda: "another"
    with pytest.raises(UserError, match="its files changed after the run was planned"):
        _generate(plan, adapter, tmp_path / "store")
    with Store.reader(tmp_path / "store") as store:
        assert not store.artifacts(unit.digest for unit in plan.units)


def test_a_first_frame_that_changed_after_planning_fails_alone(write_suite, tmp_path):
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.png", torch.zeros(8, 8, 3, dtype=torch.uint8))
    entries = [{"text": name, "image": f"{name}.png"} for name in ("a", "b")]
    keys = {"model": {"adapter": "repeat_first_frame"}, "prompts": {"entries": entries}, "scorers": []}
    suite = load_suite(str(write_suite(**keys)), [])
    adapter = build_adapter(suite, file_digest, pytest.fail)
    plan = make_plan(suite, adapter, file_digest, lambda name: "")
    write_image(tmp_path / "b.png", torch.ones(8, 8, 3, dtype=torch.uint8))
    _, found = _generate(plan, adapter, tmp_path / "store")
    first, second = (found[unit.digest] for unit in plan.units)
    assert isinstance(first, Artifact)
    assert "b.png: changed since it was planned" in second.error
    assert second.details.get("passing")


def test_a_model_in_another_process_may_say_all_that_it_may_say_here(planned, tmp_path, monkeypatch):
    plan, adapter = planned()
    worker = pickle.loads(pickle.dumps(GenerateWorker(plan.suite, adapter, plan.model)))
    worker.place = Place(tmp_path, "mark")

    def told(suite, file_digest, warn):
        warn("one")
        warn("two", ["a name"], asked=True)
        return adapter

    monkeypatch.setattr(generate_worker, "build_adapter", told)
    first, second = (next(iter(worker(plan.units[start : start + 2]))) for start in (0, 2))
    assert first.notices == [("one", (), False), ("two", ["a name"], True)]
    assert second.notices == []
    assert all(isinstance(entry, Draft) for _, entry in first.entries + second.entries)
