"""Where pipelines come from: modules, classes of modules, files; and what is said when there is nothing to be had there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flightlog.errors import PipelineInvalid, PipelinesNotLoaded
from flightlog.tasks.pipeline import MEDIA
from flightlog.working.pipelines import load_pipelines

ONE = """
from flightlog.tasks import pipeline, step

@pipeline("{name}", states=["QUEUED", "READING"])
class Reads:
    @step("READING")
    def read(self, task):
        return 1
"""


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return str(file)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one stands, with an empty list of what was imported from there before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_pipelines_come_from_a_file_a_module_and_a_class_of_a_module(here: Path) -> None:
    file = written(here, "elsewhere/words.py", ONE.format(name="words"))
    written(here, "work_a.py", ONE.format(name="alpha") + ONE.format(name="beta").replace("Reads", "Others"))
    assert list(load_pipelines([file, "work_a"])) == ["words", "alpha", "beta"]
    assert list(load_pipelines(["work_a:Others"])) == ["beta"]
    assert list(load_pipelines([f"{file}:Reads"], {"media": MEDIA})) == ["media", "words"]


def test_a_place_that_is_named_twice_is_one(here: Path) -> None:
    file = written(here, "words.py", ONE.format(name="words"))
    assert list(load_pipelines([file, "words.py", f"{file}:Reads"])) == ["words"]


def test_a_file_may_import_what_lies_beside_it(here: Path) -> None:
    written(here, "deep/beside_it.py", "WORD = 'near'")
    file = written(here, "deep/words.py", "import beside_it\n" + ONE.format(name="words"))
    assert list(load_pipelines([file])) == ["words"]


def test_two_of_one_name_are_refused_with_both_places(here: Path) -> None:
    one, two = (written(here, name, ONE.format(name="same")) for name in ("one.py", "two.py"))
    with pytest.raises(PipelinesNotLoaded, match=r"two\.py.*'same' already, from .*one\.py"):
        load_pipelines([one, two])
    with pytest.raises(PipelinesNotLoaded, match="already, from Flightlog itself"):
        load_pipelines([one], {"same": MEDIA})


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ("not_there.py", None, "there is no such file"),
        ("not_there_at_all", None, "there is no module 'not_there_at_all'"),
        ("empty.py", "x = 1", "no pipeline is declared there"),
        ("broken.py", "def f(:", "importing it fails with SyntaxError"),
        ("needy.py", "\nimport nothing_of_the_kind", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("raises.py", "def f():\n    raise OSError('no disk')\n\nf()", r"OSError: no disk \(raises\.py, line 2\)"),
        ("leaves.py", "raise SystemExit(3)", "ends the process"),
        ("words.py:Nobody", ONE.format(name="w"), "there is no Nobody in it"),
        ("words.py:step", ONE.format(name="w"), "step is no pipeline"),
        ("words.py:", None, "pkg.module:Class"),
        ("", None, "pkg.module:Class"),
    ],
)
def test_what_can_not_be_loaded_says_why(here: Path, place: str, text: str | None, said: str) -> None:
    if text is not None:
        written(here, place.split(":")[0], text)
    with pytest.raises(PipelinesNotLoaded, match=said):
        load_pipelines([place])


def test_a_module_that_is_a_file_near_by_is_named(here: Path) -> None:
    written(here, "sub/words.py", ONE.format(name="w"))
    with pytest.raises(PipelinesNotLoaded, match=r"is it the file sub/words\.py\?|it is|no such file"):
        load_pipelines(["sub/words"])


def test_a_mistake_in_a_declaration_is_said_as_such(here: Path) -> None:
    file = written(here, "words.py", ONE.format(name="Words"))
    with pytest.raises(PipelineInvalid, match="lower-case"):
        load_pipelines([file])
