"""What runs have to do with retention: what rules ask of them, what goes with an event, and how a summary goes at last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, select, tuple_, update

from flightlog.journal.lookup import chunks
from flightlog.runs.feedback_table import feedback, feedback_events
from flightlog.runs.generation_table import generations
from flightlog.runs.table import runs
from flightlog.store.contract import Tx

TOO_MANY_MAX = 100  # runs above the cap that are looked after in one pass
LATE_IDS_MAX = 20_000  # a request that came after its answer came soon after it
WORDS_KEPT = ("thumb", "label")  # kinds of feedback whose word is a choice; others are what somebody wrote


class Standing(NamedTuple):
    """A run as rules see it; `marks` are kind, word and number of each piece of feedback in it."""

    status: str
    last_event_at: int
    marks: list[tuple[str, str | None, float | None]]


def standings(connection: Connection, run_ids: Collection[str]) -> dict[str, Standing]:
    """Those of these runs that there are."""
    found: dict[str, Standing] = {}
    for some in chunks(sorted(run_ids)):
        asked = select(runs.c.run_id, runs.c.status, runs.c.last_event_at).where(runs.c.run_id.in_(some))
        found.update((run_id, Standing(status, last, [])) for run_id, status, last in connection.execute(asked))
        said = select(feedback.c.run_id, feedback.c.kind, feedback.c.value_text, feedback.c.value_number)
        for run_id, kind, word, number in connection.execute(said.where(feedback.c.run_id.in_(some))):
            if run_id in found:
                found[run_id].marks.append((kind, word, number))
    return found


def too_many(connection: Connection, events_max: int) -> list[str]:
    """Runs to which more events than that were recorded."""
    asked = select(runs.c.run_id).where(runs.c.event_count > events_max).order_by(runs.c.run_id).limit(TOO_MANY_MAX)
    return list(connection.execute(asked).scalars())


def forget_contents(tx: Tx, ids: Sequence[int]) -> None:
    """What was taken from the payloads of these events, which go: previews, and words that somebody wrote. Numbers stay, and the
    words of thumbs and labels, for rules ask about them.
    """
    for some in chunks(ids):
        # One after another: together they would be looked for row by row.
        late = generations.c.id.between(some[0] - LATE_IDS_MAX, some[-1]), generations.c.request_id.in_(some)
        for of_these in ((generations.c.id.in_(some),), (generations.c.answer_id.in_(some),), late):
            tx.sql.execute(update(generations).where(*of_these).values(input_preview=None, output_preview=None))
        said = select(feedback_events.c.feedback_id).where(feedback_events.c.id.in_(some))
        word = case((feedback.c.kind.in_(WORDS_KEPT), feedback.c.value_text), else_=None)
        ours = feedback.c.feedback_id.in_(said), feedback.c.id.in_(some)
        tx.sql.execute(update(feedback).where(*ours).values(comment=None, value_text=word))


class RunSummaries:
    """The summaries of runs, as retention deletes them."""

    def old(
        self, connection: Connection, before_ns: int, after: tuple[int, str], limit: int
    ) -> list[tuple[int, str, int, int]]:
        """Runs that began before then: when, their id, the time and the journal id of their last event; in this order, after
        the two given, at most so many."""
        columns = (runs.c.started_at, runs.c.run_id, runs.c.last_event_at, runs.c.last_event_id)
        place = tuple_(runs.c.started_at, runs.c.run_id)
        asked = select(*columns).where(runs.c.started_at < before_ns, place > tuple_(*after))
        rows = connection.execute(asked.order_by(runs.c.started_at, runs.c.run_id).limit(limit))
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def forget(self, tx: Tx, run_ids: Collection[str]) -> int:
        """Delete the summaries of these runs, their generations and feedback; the number of rows."""
        count = 0
        for some in chunks(sorted(run_ids)):
            given = select(feedback.c.feedback_id).where(feedback.c.run_id.in_(some))
            tx.sql.execute(delete(feedback_events).where(feedback_events.c.feedback_id.in_(given)))
            for table in (feedback, generations, runs):
                count += tx.sql.execute(delete(table).where(table.c.run_id.in_(some))).rowcount
        return count

    def forget_runless(self, tx: Tx, before_ns: int, limit: int) -> int:
        """Delete at most so many generations and pieces of feedback from before then that belong to no run."""
        old = select(feedback.c.feedback_id).where(feedback.c.run_id.is_(None), feedback.c.created_at < before_ns)
        said = list(tx.sql.execute(old.order_by(feedback.c.created_at).limit(limit)).scalars())
        for some in chunks(said):
            tx.sql.execute(delete(feedback_events).where(feedback_events.c.feedback_id.in_(some)))
            tx.sql.execute(delete(feedback).where(feedback.c.feedback_id.in_(some)))
        alone = select(generations.c.id).where(generations.c.run_id.is_(None), generations.c.started_at < before_ns)
        spoken_of = select(feedback.c.generation_id).where(feedback.c.generation_id.is_not(None))
        alone = alone.where(generations.c.generation_id.not_in(spoken_of))
        made = list(tx.sql.execute(alone.order_by(generations.c.started_at).limit(limit)).scalars())
        for some in chunks(made):
            tx.sql.execute(delete(generations).where(generations.c.id.in_(some)))
        return len(said) + len(made)
