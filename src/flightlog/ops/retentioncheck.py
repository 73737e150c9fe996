"""The doctor's look at retention: whether the rules can be read, what is held, and runs that are too long."""

from __future__ import annotations

from flightlog.errors import RetentionInvalid
from flightlog.ops.findings import Finding, ok, problem, warn
from flightlog.retention.holds import holds
from flightlog.retention.rules import FILE, load_rules
from flightlog.runs.retire import too_many
from flightlog.wiring import Keeper

SHOWN_MAX = 5


def look_at_retention(keeper: Keeper) -> Finding:
    """What keeps it from its work, or asks for attention."""
    settings = keeper.settings
    try:
        rules = load_rules(keeper.folder, settings)
    except RetentionInvalid as error:
        return problem("retention", error.message, f"Mend {FILE}: nothing is removed while it can't be read.")
    with keeper.store.read() as connection:
        standing = len(holds(connection))
        long = too_many(connection, settings.run_events_max)
    facts = {"rules": len(rules.rules), "holds": standing, "long_runs": long}
    if long:
        shown = ", ".join(long[:SHOWN_MAX]) + (", …" if len(long) > SHOWN_MAX else "")
        text = f"More than {settings.run_events_max:,} events were recorded to {len(long):,} runs: {shown}."
        advice = "Retention removes their oldest debug and info events first. Record less, or raise run_events_max."
        return warn("retention", text, advice, **facts)
    by_itself = "" if settings.retention else " Nobody removes what is due by itself: retention is off."
    text = f"{len(rules.rules):,} rules beside the defaults, {standing:,} legal holds.{by_itself}"
    return ok("retention", text, **facts)
