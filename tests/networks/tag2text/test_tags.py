"""The list of tags, and which of them apply."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.networks.tag2text.tags import names_of, read_tags

NAMES = [f"tag {number}" for number in range(3429)]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_list_is_read_and_never_run(tmp_path: Path) -> None:
    names = ["na\xefve caf\xe9", *NAMES[1:]]
    source = f"import missing\n\ntra_array = {names!r}\n\ntra_array = missing.array(tra_array)\n"
    assert read_tags(write(tmp_path / "tags.py", source)) == names


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "contains no list tra_array"),
        ("tra_array = open('/etc/passwd')", "contains no list tra_array"),
        ("tra_array = [print(1)]", "contains no list tra_array"),
        ("tra_array = [", "contains no list tra_array"),
        ("tra_array = ['a', 'b']", "its list has 2 entries, expected 3429 names"),
        (f"tra_array = {list(range(3429))}", "its list has 3429 entries, expected 3429 names"),
        ("\0", "contains no list tra_array"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as refusal:
        read_tags(write(tmp_path / "tags.py", content))
    assert refusal.value.remedy == "use the official file: python -m nova_bench assets fetch tag2text-tags"


def test_tags_apply_above_a_probability_of_70_percent_except_some() -> None:
    logits = torch.full((2, 3429), -9.0)
    logits[0, [3, 127, 3265, 3400]] = 9.0
    logits[1, 4], logits[1, 5] = 0.8472, 0.8473  # the logit of 0.7 is 0.847298
    logits[1, 6] = 0.85
    assert names_of(logits, NAMES) == [["tag 3", "tag 3400"], ["tag 5", "tag 6"]]
