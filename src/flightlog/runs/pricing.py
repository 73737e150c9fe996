"""What model calls cost, by a price list with validity dates.

Money is whole numbers throughout: prices are billionths of a dollar per million tokens, costs billionths of a dollar.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flightlog.clock import NS_PER_SECOND
from flightlog.errors import PricesInvalid
from flightlog.runs.calls import INT64_MAX, NANO, Call

BUILT_IN = Path(__file__).with_name("prices.toml")
USER_FILE = "prices.toml"  # in the data folder
TOKENS_PER_PRICE = 1_000_000
NAMES_KEPT_MAX = 10_000  # model names whose prices are remembered; senders choose them
_USD_MAX = 1_000_000

# What may follow a model's name without making it another model: a date, a number, or a word for the newest.
_VERSION = re.compile(
    r"(?:-\d{4}-\d{2}-\d{2}|-\d{6,8}|-\d{3,4}|-latest|-v\d+(?::\d+)?|:\d+|:latest|@\d+|@default|@latest"
    r"|-preview-\d{2}-\d{2,4})+"
)
# How gateways and clouds write whose model it is, and where it runs.
_MAKER = re.compile(
    r"^(?:models/|(?:us|eu|apac|jp|au|global|us-gov)\.)?"
    r"(?:(?:openai|azure|anthropic|google|gemini|vertex_ai|bedrock|mistral|mistralai|cohere|deepseek|xai|x-ai)[/.])*"
)


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one model costs, in billionths of a dollar per million tokens, from `valid_from` (inclusive) to `valid_until`
    (exclusive), in nanoseconds since 1970.

    `model` may end in a star, for all models that begin so. `long` prices count for the whole call where its input has more
    than `long_above` tokens. What has no price of its own costs as much as other input.
    """

    price_id: str
    model: str
    provider: str
    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    long_above: int | None = None
    long_input: int | None = None
    long_output: int | None = None
    long_cached_input: int | None = None
    long_cache_write: int | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    is_users: bool = False

    def is_valid_at(self, at_ns: int) -> bool:
        """Whether it counts at this moment."""
        return (self.valid_from is None or at_ns >= self.valid_from) and (
            self.valid_until is None or at_ns < self.valid_until
        )


class Tokens(NamedTuple):
    """What a call used; cached and written ones are parts of the input."""

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0


def cost_of(price: Price, used: Tokens) -> int:
    """Billionths of a dollar, rounded once, half up. A token is charged once, whatever parts it is counted in.

    >>> price = Price(price_id="p", model="m", provider="x", input=150_000_000, output=600_000_000, cached_input=75_000_000)
    >>> cost_of(price, Tokens(input=1_000, output=100, cached_input=800))
    150000
    """
    fresh, output, cached, written = price.input, price.output, price.cached_input, price.cache_write
    if price.long_above is not None and used.input > price.long_above:
        fresh = fresh if price.long_input is None else price.long_input
        output = output if price.long_output is None else price.long_output
        cached = cached if price.long_cached_input is None else price.long_cached_input
        written = written if price.long_cache_write is None else price.long_cache_write
    cached = fresh if cached is None else cached
    written = fresh if written is None else written
    read = min(used.cached_input, used.input)
    stored = min(used.cache_write, used.input - read)
    total = (used.input - read - stored) * fresh + read * cached + stored * written + used.output * output
    return min((total + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE, INT64_MAX)


class PriceList:
    """Prices, and whose prices each provider asks. The user's come before the built-in ones."""

    def __init__(self, prices: Sequence[Price], providers: Mapping[str, frozenset[str]]) -> None:
        self.prices = tuple(prices)
        self._sellers = providers  # whose prices → names of providers that ask them
        self._found: dict[tuple[tuple[str, ...], str | None], tuple[Price, ...]] = {}

    def find(self, models: Iterable[str], provider: str | None, at_ns: int) -> Price | None:
        """The price of the first of these names that has one at that time: exactly so named, else with a version behind
        the name, else by the longest beginning. None where nobody knows, as of a provider that is not in the list."""
        key = (models if type(models) is tuple else tuple(models), provider)
        found = self._found.get(key)
        if found is None:
            found = tuple(price for model in key[0] for price in self.candidates(model, provider))
            if len(self._found) < NAMES_KEPT_MAX:
                self._found[key] = found
        for price in found:
            if price.is_valid_at(at_ns):
                return price
        return None

    def price(self, call: Call) -> Call:
        """The same call, with its cost where the sender reported none and its price is known."""
        if not call.is_answer or call.cost_source is not None or (call.tokens_input or call.tokens_output) is None:
            return call
        found = self.find(call.models, call.provider, call.event.created_at)
        if found is not None:
            used = Tokens(
                call.tokens_input or 0,
                call.tokens_output or 0,
                call.tokens_cached_input or 0,
                call.tokens_cache_write or 0,
            )
            call.cost_nano_usd, call.cost_source, call.price_id = cost_of(found, used), "priced", found.price_id
        return call

    def candidates(self, model: str, provider: str | None) -> list[Price]:
        """All prices that fit the name, the best first; the user's own before any other."""
        name = plain_name(model)
        ranked = []
        for price in self.prices:
            rank = _rank(price.model, name)
            if rank is not None and self.sells(price, provider):
                by_name = provider is not None and price.provider == provider.lower()
                newest = -(price.valid_from if price.valid_from is not None else -INT64_MAX)
                ranked.append(((not price.is_users, rank, not by_name, newest), price))
        return [price for _, price in sorted(ranked, key=lambda one: one[0])]

    def sells(self, price: Price, provider: str | None) -> bool:
        """Whether this provider asks this price; any does where none is known."""
        if provider is None or price.provider in ("", "*"):
            return True
        return provider.lower() in self._sellers.get(price.provider, frozenset({price.provider}))


def prices_for(prices: PriceList, model: str | None, provider: str | None = None) -> list[Price]:
    """The prices that fit a model's name, best first, or all of them; only those that the provider asks, if one is given."""
    if model is None:
        return [price for price in prices.prices if prices.sells(price, provider)]
    return prices.candidates(model, provider)


def plain_name(model: str) -> str:
    """The model's name as price lists write it.

    >>> plain_name("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), plain_name("models/gemini-2.5-pro")
    ('claude-sonnet-4-5-20250929-v1:0', 'gemini-2.5-pro')
    """
    name = model.strip().lower()
    return _MAKER.sub("", name, count=1) or name


def _rank(pattern: str, name: str) -> tuple[int, int] | None:
    if pattern.endswith("*"):
        return (2, -len(pattern)) if name.startswith(pattern[:-1]) else None
    if name == pattern:
        return (0, 0)
    if name.startswith(pattern) and _VERSION.fullmatch(name, len(pattern)):
        return (1, -len(pattern))
    return None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_PRICES = (
    "input", "output", "cached_input", "cache_write", "long_input", "long_output", "long_cached_input",
    "long_cache_write",
)  # fmt: skip
_KNOWN = {"model", "provider", "valid_from", "valid_until", "long_above", *_PRICES}
_built_in: list[PriceList] = []


def built_in_prices() -> PriceList:
    """The price list that Flightlog brings along, read at the first call."""
    if not _built_in:
        _built_in.append(PriceList(*_read(BUILT_IN, is_users=False)))
    return _built_in[0]


def load_prices(folder: Path | None) -> PriceList:
    """The prices in force for a data folder: its own `prices.toml`, where there is one, before the built-in ones.

    Raises PricesInvalid.
    """
    built_in = built_in_prices()
    path = None if folder is None else folder / USER_FILE
    if path is None or not path.is_file():
        return built_in
    prices, providers = _read(path, is_users=True)
    merged = {name: built_in._sellers.get(name, frozenset({name})) for name in {*built_in._sellers, *providers}}
    for name, sellers in providers.items():
        merged[name] |= sellers
    return PriceList([*prices, *built_in.prices], merged)


class PriceBook:
    """The price list in force for a data folder, read when it is first asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._current: PriceList | None = None

    @property
    def current(self) -> PriceList:
        """The list. Raises PricesInvalid where the folder's own can't be read."""
        return self.reload() if self._current is None else self._current

    def reload(self) -> PriceList:
        """Read the folder's own prices again; what is priced from now on goes by them. Raises PricesInvalid."""
        self._current = load_prices(self._folder)
        return self._current


def _read(path: Path, *, is_users: bool) -> tuple[list[Price], dict[str, frozenset[str]]]:
    try:
        given = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise PricesInvalid(path=str(path), reason=str(error)) from error

    def check(holds: bool, reason: str) -> None:
        if not holds:
            raise PricesInvalid(path=str(path), reason=reason)

    rows, sellers = given.get("price", []), given.get("providers", {})
    check(isinstance(rows, list) and all(isinstance(row, dict) for row in rows), "prices are [[price]] tables")
    check(isinstance(sellers, dict), "[providers] is a table of lists of names")
    prices = []
    for number, row in enumerate(rows, 1):
        try:
            prices.append(_price(row, is_users))
        except ValueError as error:
            raise PricesInvalid(path=str(path), reason=f"price {number} ({row.get('model')}): {error}") from error
    providers = {}
    for name, names in sellers.items():
        check(isinstance(names, list) and all(isinstance(one, str) for one in names), f"providers.{name} is a list")
        providers[str(name)] = frozenset({name, *(one.lower() for one in names)})
    return prices, providers


def _price(row: dict[str, Any], is_users: bool) -> Price:
    unknown = sorted(row.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(sorted(_KNOWN))}")
    model, provider = row.get("model"), row.get("provider", "*")
    if not isinstance(model, str) or not model or not isinstance(provider, str):
        raise ValueError("model and provider are texts")
    amounts = {name: _amount(name, row[name]) for name in _PRICES if name in row}
    if "input" not in amounts:
        raise ValueError("input is missing")
    above = row.get("long_above")
    if above is not None and (isinstance(above, bool) or not isinstance(above, int) or above < 0):
        raise ValueError("long_above is a number of tokens")
    since, until = (_moment(name, row.get(name)) for name in ("valid_from", "valid_until"))
    if since is not None and until is not None and since >= until:
        raise ValueError("valid_from is not before valid_until")
    dated = f"@{row['valid_from']}" if since is not None else ""
    return Price(
        price_id=f"{'own:' if is_users else ''}{provider}/{model.lower()}{dated}",
        model=model.lower(),
        provider=provider.lower(),
        long_above=above,
        valid_from=since,
        valid_until=until,
        is_users=is_users,
        **{"output": 0, **amounts},
    )


def _amount(name: str, value: Any) -> int:
    """Dollars as billionths."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name} is a number of dollars")
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= _USD_MAX:
        raise ValueError(f"{name} is from 0 to {_USD_MAX:,} dollars")
    return int((amount * NANO).to_integral_value(ROUND_HALF_UP))


def _moment(name: str, value: Any) -> int | None:
    """The beginning of a day, or a time; without a zone it is UTC."""
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError(f"{name} is a date, such as 2026-03-01")
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS_PER_SECOND
