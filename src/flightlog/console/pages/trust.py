"""Whether a run or an event can be trusted: how far it is sealed and signed, and what to do to see for oneself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Fragment, href
from flightlog.journal.lookup import count_of_run
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary, get_run
from flightlog.seal.state import SealState, read_seal
from flightlog.services import Services

SOON_SECONDS, NOW_AND_THEN_SECONDS = 2, 5


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How far a run is sealed, and the ways to check it."""

    run_id: Annotated[str, "The run."]
    state: Annotated[str, "sealed, partly, waiting, off or broken."]
    sentence: Annotated[str, "How far it is sealed, in a few words."]
    detail: Annotated[str, "What that means or what to do; may be empty."]
    when: Annotated[fmt.Moment | None, "When the seal was last made, if ever."]
    key: Annotated[str, "The public key to keep; empty where there is none."]
    key_id: Annotated[str, "What tells it apart, short."]
    can_verify: Annotated[bool, "Whether there is a checkpoint to verify it against."]
    fragment: Annotated[str, "The same by itself."]
    again: Annotated[int | None, "After how many seconds it will have changed; None where it stays."]
    evidence_href: Annotated[str | None, "The evidence bundle, where there is any."]


@dataclass(frozen=True, kw_only=True)
class TrustFragment(Fragment):
    """The same by itself, for the script that asks again."""

    template: ClassVar[str] = "trust.html"

    trust: Annotated[Trust, "How far the run is sealed."]


def trust_fragment(services: Services, run_id: str) -> TrustFragment:
    """How far a run is sealed. Raises RunNotFound."""
    run = get_run(services.store, run_id, clock=services.clock, settings=services.settings)
    return TrustFragment(trust=trust_of(services, run))


def trust_of(services: Services, run: RunSummary) -> Trust:
    """How far a run is sealed."""
    log = services.log
    state = SealState() if log is None else read_seal(services.store, log.folder, log.keys)
    health = services.seal() if services.seal is not None else None
    trouble = state.error or (health.error if health is not None else None)
    open_ = _after(services, run.run_id, state.signed_id) if run.last_event_id > state.signed_id else 0
    events = fmt.counted(run.event_count, "event", "events")
    word, sentence, detail = "sealed", f"All {events} sealed and signed", ""
    if run.event_count == 1:
        sentence = "Its event is sealed and signed"
    if trouble:
        word, sentence, detail = "broken", "The seal needs attention", f"{trouble} Run flightlog verify on the folder."
    elif health is None and not state.checkpoint:
        word, sentence = "off", "Not sealed"
        detail = "Sealing is off, so nothing proves later what was recorded. The setting seal switches it on."
        if services.store.dialect != "sqlite":
            detail = "A store on PostgreSQL is not sealed, so nothing proves later what was recorded."
    elif health is None and open_:
        word, sentence = "off", f"{fmt.count(open_)} of {events} not sealed"
        detail = "Sealing was switched off since. The setting seal switches it on."
    elif not state.checkpoint:
        word, sentence, detail = "waiting", "Not sealed yet", "The first signature is on its way."
    elif open_:
        word, sentence = "partly", f"{fmt.count(open_)} of {events} not sealed yet"
        detail = "They follow within a second or two."
    first = state.keys[0] if state.keys else ""
    return Trust(
        run_id=run.run_id,
        state=word,
        sentence=sentence,
        detail=detail,
        when=fmt.moment(state.sealed_at, services.clock.now_ns()) if state.sealed_at else None,
        key=first,
        key_id=first.split("+")[1] if first else "",
        can_verify=bool(state.checkpoint or state.error),
        fragment=href(f"/runs/{run.run_id}/trust"),
        again=_again(word, run),
        evidence_href=href(f"/api/runs/{run.run_id}/evidence")
        if state.checkpoint and open_ < run.event_count
        else None,
    )


def seal_word(services: Services, event_id: int) -> str:
    """How far the event at this place in commit order is sealed; empty where nothing is."""
    log = services.log
    if log is None:
        return ""
    state = read_seal(services.store, log.folder, log.keys)
    if state.error:
        return "the seal needs attention"
    if not state.checkpoint:
        return "not sealed yet" if services.seal is not None else ""
    if event_id <= state.signed_id:
        return f"sealed and signed, leaf {fmt.count(event_id - 1)}"
    return "sealed, not signed yet" if event_id <= state.sealed_id else "not sealed yet"


def _again(word: str, run: RunSummary) -> int | None:
    if word in ("partly", "waiting"):
        return SOON_SECONDS
    return NOW_AND_THEN_SECONDS if run.status == RUNNING and word == "sealed" else None


def _after(services: Services, run_id: str, signed_id: int) -> int:
    """How many events of the run came after the last signature."""
    with services.store.read() as connection:
        return count_of_run(connection, run_id, after_id=signed_id)
