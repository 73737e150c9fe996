"""Prices: which one counts for a name, a provider and a moment, and what a call then costs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.errors import PricesInvalid
from flightlog.runs.pricing import (
    Price,
    PriceBook,
    PriceList,
    Tokens,
    built_in_prices,
    cost_of,
    load_prices,
    prices_for,
)

NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
DAY = 86_400 * 10**9


def found(model: str, provider: str | None = None, prices: PriceList | None = None, at: int = NOW) -> str | None:
    price = (prices or built_in_prices()).find([model], provider, at)
    return None if price is None else price.price_id


def own(folder: Path, text: str) -> PriceList:
    (folder / "prices.toml").write_text(text)
    return load_prices(folder)


NAMES = {
    ("gpt-4o-mini", "openai"): "openai/gpt-4o-mini",
    ("gpt-4o-mini-2024-07-18", "openai"): "openai/gpt-4o-mini",
    ("gpt-4o-2024-05-13", "openai"): "openai/gpt-4o-2024-05-13",
    ("gpt-4o-2024-08-06", "openai"): "openai/gpt-4o",
    ("GPT-4o", "OpenAI"): "openai/gpt-4o",
    ("openai/gpt-4o", None): "openai/gpt-4o",
    ("gpt-4o", "azure.ai.openai"): "openai/gpt-4o",
    ("ft:gpt-4o-mini-2024-07-18:acme::x", "openai"): "openai/ft:gpt-4o-mini*",
    ("claude-sonnet-4-5-20250929", "anthropic"): "anthropic/claude-sonnet-4-5",
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"): "anthropic/claude-sonnet-4-5",
    ("claude-sonnet-4-5@20250929", "gcp.vertex_ai"): "anthropic/claude-sonnet-4-5",
    ("models/gemini-2.5-pro", "gcp.gemini"): "google/gemini-2.5-pro",
    ("text-embedding-3-small", "openai"): "openai/text-embedding-3-small",
    # Other models, whose names only begin alike, and servers of one's own.
    ("gpt-4o-audio-preview", "openai"): None,
    ("gpt-4-32k", "openai"): None,
    ("gpt-4o-mini-turbo", "openai"): None,
    ("gpt-4o", "ollama"): None,
    ("gpt-4o", "anthropic"): None,
    ("llama-3", None): None,
    ("", None): None,
}


@pytest.mark.parametrize(("model", "provider"), NAMES)
def test_a_name_has_the_price_of_its_model_and_of_no_other(model: str, provider: str | None) -> None:
    assert found(model, provider) == NAMES[model, provider]


def test_the_model_that_answered_is_asked_for_first() -> None:
    price = built_in_prices().find(["gpt-4o", "gpt-4o-mini"], "openai", NOW)
    assert price is not None
    assert price.model == "gpt-4o"
    price = built_in_prices().find(["my-deployment", "gpt-4o-mini"], "azure.ai.openai", NOW)
    assert price is not None
    assert price.model == "gpt-4o-mini"


def test_a_price_counts_from_its_first_moment_and_not_at_its_last(tmp_path: Path) -> None:
    prices = own(
        tmp_path,
        """
        [[price]]
        model = "m"
        valid_until = 2026-06-01
        input = 2
        [[price]]
        model = "m"
        valid_from = 2026-06-01
        valid_until = 2026-06-02T00:00:00Z
        input = 1
        """,
    )
    assert found("m", prices=prices, at=NOW - 1) == "own:*/m"
    assert found("m", prices=prices, at=NOW) == "own:*/m@2026-06-01"
    assert found("m", prices=prices, at=NOW + DAY - 1) == "own:*/m@2026-06-01"
    assert found("m", prices=prices, at=NOW + DAY) is None


def test_of_two_prices_the_one_that_began_later_counts(tmp_path: Path) -> None:
    rows = "".join(f'[[price]]\nmodel="m"\nvalid_from={day}\ninput=1\n' for day in ("2026-01-01", "2026-03-01"))
    assert found("m", prices=own(tmp_path, rows)) == "own:*/m@2026-03-01"


def test_the_folders_own_prices_come_first_and_the_others_stay(tmp_path: Path) -> None:
    prices = own(
        tmp_path,
        """
        [[price]]
        model = "gpt-4o*"
        provider = "openai"
        input = 1
        [[price]]
        model = "llama*"
        provider = "ollama"
        input = 0
        [providers]
        openai = ["My-Gateway"]
        """,
    )
    assert found("gpt-4o-2024-05-13", "openai", prices) == "own:openai/gpt-4o*"
    assert found("gpt-4o", "my-gateway", prices) == "own:openai/gpt-4o*"
    assert found("llama-3:8b", "ollama", prices) == "own:ollama/llama*"
    assert found("gpt-4.1", "my-gateway", prices) == "openai/gpt-4.1"
    assert [price.is_users for price in prices_for(prices, "gpt-4o", "openai")] == [True, False]


def test_a_folder_without_prices_has_the_built_in_ones(tmp_path: Path) -> None:
    assert load_prices(tmp_path) is built_in_prices()
    assert load_prices(None) is built_in_prices()


def test_a_book_reads_its_folder_again_when_it_is_told(tmp_path: Path) -> None:
    book = PriceBook(tmp_path)
    assert found("m", prices=book.current) is None
    own(tmp_path, '[[price]]\nmodel="m"\ninput=1\n')
    assert found("m", prices=book.current) is None
    assert found("m", prices=book.reload()) == found("m", prices=book.current) == "own:*/m"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("price = 1", r"\[\[price\]\]"),
        ("[[price", "array declaration"),
        ('[[price]]\nmodel="m"', "input is missing"),
        ("[[price]]\ninput=1", "model and provider"),
        ('[[price]]\nmodel="m"\ninput=-1', "from 0"),
        ('[[price]]\nmodel="m"\ninput=inf', "from 0"),
        ('[[price]]\nmodel="m"\ninput=nan', "from 0"),
        ('[[price]]\nmodel="m"\ninput=true', "dollars"),
        ('[[price]]\nmodel="m"\ninput="1"', "dollars"),
        ('[[price]]\nmodel="m"\ninput=1\ninptu=1', "inptu"),
        ('[[price]]\nmodel="m"\ninput=1\nlong_above=1.5', "tokens"),
        ('[[price]]\nmodel="m"\ninput=1\nvalid_from="soon"', "a date"),
        ('[[price]]\nmodel="m"\ninput=1\nvalid_from=2026-01-02\nvalid_until=2026-01-01', "not before"),
        ("providers = 1", "providers"),
        ("[providers]\nx = 1", "providers.x"),
    ],
)
def test_a_mistake_in_a_list_of_prices_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(PricesInvalid, match=reason):
        own(tmp_path, text)


PRICE = Price(
    price_id="p", model="m", provider="x", input=3_000_000_000, output=15_000_000_000, cached_input=300_000_000,
    cache_write=3_750_000_000, long_above=200_000, long_input=6_000_000_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("used", "nano"),
    [
        (Tokens(0, 0), 0),
        (Tokens(1, 0), 3_000),
        (Tokens(0, 1), 15_000),
        (Tokens(1_000, 0, cached_input=1_000), 300_000),
        (Tokens(1_000, 0, cache_write=1_000), 3_750_000),
        (Tokens(1_000, 100, cached_input=400, cache_write=500), 100 * 3_000 + 400 * 300 + 500 * 3_750 + 100 * 15_000),
        (Tokens(200_000, 0), 200_000 * 3_000),
        (Tokens(200_001, 0), 200_001 * 6_000),
        # A sender that counts cached tokens beside the input can't make more of them than there is input.
        (Tokens(10, 0, cached_input=1_000), 3_000),
        (Tokens(10, 0, cached_input=4, cache_write=1_000), 4 * 300 + 6 * 3_750),
    ],
)
def test_a_token_is_charged_once(used: Tokens, nano: int) -> None:
    assert cost_of(PRICE, used) == nano


def test_what_has_no_price_of_its_own_costs_as_much_as_other_input() -> None:
    plain = Price(price_id="p", model="m", provider="x", input=1_000_000, output=0)
    assert cost_of(plain, Tokens(1_000, 0, 300, 300)) == cost_of(plain, Tokens(1_000, 0))


COUNTS = st.integers(0, 10**7)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_costs_are_those_of_exact_sums_rounded_once(used: int, answered: int, cached: int, written: int) -> None:
    cached = min(cached, used)
    written = min(written, used - cached)
    price = Price(price_id="p", model="m", provider="x", input=7, output=11, cached_input=1, cache_write=9)
    exact = (used - cached - written) * 7 + cached * 1 + written * 9 + answered * 11
    assert cost_of(price, Tokens(used, answered, cached, written)) == (2 * exact + 10**6) // (2 * 10**6)


def test_the_built_in_list_is_whole() -> None:
    prices = built_in_prices().prices
    assert len(prices) >= 60
    assert len({price.price_id for price in prices}) == len(prices)
    for price in prices:
        assert 0 < price.input < 10**12, price.price_id
        assert price.cached_input is None or price.cached_input <= price.input, price.price_id
        assert found(price.model.replace("*", "x"), price.provider) is not None
