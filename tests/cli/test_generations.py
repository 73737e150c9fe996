"""`generation list`, `generation show` and `prices`, from a folder and from a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightlog import wiring
from tests.cli.conftest import SECONDS_MAX, Recorded
from tests.cli.terminal import flightlog

TOKENS = {"prompt_tokens": 1_000, "completion_tokens": 100}


def only(place: Recorded) -> str:
    (found,) = flightlog("generation", "list", *place.where, "--json").json["generations"]
    return str(found["generation_id"])


def test_model_calls_are_listed_and_counted(place: Recorded) -> None:
    page = flightlog("generation", "list", *place.where, "--count", "--json").json
    assert (page["total"], page["next_cursor"]) == (1, None)
    (found,) = page["generations"]
    assert (found["run_id"], found["model"], found["status"]) == (place.runs[0], "small-model", "ok")
    assert (found["input_preview"], found["output_preview"], found["tokens_output"]) == ("how?", "so", 4)
    table = flightlog("generation", "list", *place.where)
    assert table.out.splitlines()[0].split()[:3] == ["GENERATION", "MODEL", "STATUS"]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["model:small*"], 1),
        (["--where", "-model:small*"], 0),
        (["status:error"], 0),
        (["--since", "1h", "--project", "shop"], 1),
        (["--until", "1h"], 0),
        (["--trace", "nobody"], 0),
        (["--sort", "-tokens", "tokens:>10"], 1),
    ],
)
def test_filters_of_model_calls_combine(place: Recorded, options: list[str], count: int) -> None:
    assert len(flightlog("generation", "list", *options, *place.where, "--json").json["generations"]) == count


def test_one_model_call_is_read(place: Recorded) -> None:
    said = flightlog("generation", "show", only(place), *place.where)
    assert said.code == 0
    assert "tokens         10 in, 4 out" in said.out
    assert said.out.index("how?") < said.out.rindex("so")
    assert flightlog("generation", "show", only(place), *place.where, "--json").json["message"]["content"] == "so"


def test_an_unknown_model_call_is_a_problem(place: Recorded) -> None:
    said = flightlog("generation", "show", "nobody", *place.where)
    assert said.code != 0
    assert "There is no generation 'nobody'" in said.err


def test_prices_are_shown_with_the_one_that_counts_first(place: Recorded) -> None:
    found = flightlog("prices", "show", "gpt-4o-mini-2024-07-18", "--provider", "openai", *place.where, "--json").json
    assert [price["price_id"] for price in found["prices"]] == ["openai/gpt-4o-mini"]
    assert "openai/gpt-4o-mini" in flightlog("prices", "list", *place.where).out
    assert flightlog("prices", "show", "nobody", *place.where).code != 0


def test_a_price_of_ones_own_counts_from_the_moment_that_one_asks_for_it(tmp_path: Path) -> None:
    recorder = wiring.open(tmp_path)
    with recorder.run("x") as run, run.llm("gpt-4o-mini", provider="openai", messages="Hi") as call:
        call.record({"choices": [{"message": {"content": "so"}}], "usage": TOKENS})
    assert recorder.flush(SECONDS_MAX)
    recorder.close()
    where = ["--dir", str(tmp_path)]

    def cost() -> float:
        (found,) = flightlog("run", "list", *where, "--json").json["runs"]
        return float(found["cost_usd"])

    assert cost() == pytest.approx(0.00021)
    (tmp_path / "prices.toml").write_text('[[price]]\nmodel="gpt-4o-mini"\ninput=1\noutput=2\n')
    would = flightlog("prices", "recompute", "--dry-run", *where)
    assert "1 would change: $0.000210 → $0.001200" in would.out
    assert cost() == pytest.approx(0.00021)
    made = flightlog("prices", "recompute", "--model", "gpt-4o-mini", *where, "--json").json
    assert (made["looked_at"], made["changed"], made["models"][0]["price_id"]) == (1, 1, "own:*/gpt-4o-mini")
    assert cost() == pytest.approx(0.0012)
    assert flightlog("prices", "recompute", "--since", "1h", *where, "--json").json["changed"] == 0
    (tmp_path / "prices.toml").write_text("[[price")
    broken = flightlog("prices", "recompute", *where)
    assert broken.code != 0
    assert "can't be used" in broken.err
