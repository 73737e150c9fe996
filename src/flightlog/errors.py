"""Everything Flightlog raises on purpose.

    FlightlogError
    ├── BadInput                      what the caller handed in can't be taken as it is
    │   ├── EventInvalid              one event breaks the envelope or its type's schema
    │   │   ├── EventTypeUnknown
    │   │   ├── RunMissing
    │   │   ├── FieldTooLong
    │   │   └── EventIdConflict
    │   ├── FilterInvalid             a query's filter, cursor or limit
    │   │   ├── QueryInvalid
    │   │   ├── LimitInvalid
    │   │   ├── CursorInvalid
    │   │   ├── StatsTooMuch
    │   │   └── ParameterUnknown
    │   ├── BodyInvalid               the bytes of a request
    │   │   ├── BodyTooLarge
    │   │   └── MediaTypeUnsupported
    │   ├── ViewInvalid               a saved view
    │   ├── FeedbackInvalid           what somebody thinks of something, said in a way that is not taken
    │   ├── ImportInvalid             a file that no importer can read
    │   ├── NoteInvalid               a signed note or its key
    │   ├── SqlInvalid                SQL that can't be run
    │   ├── PricesInvalid             a price list
    │   ├── RetentionInvalid          rules of retention
    │   ├── PipelineInvalid
    │   ├── PipelinesNotLoaded        from where a server or a worker was told to find them
    │   ├── TaskInvalid               a task that is asked for
    │   ├── TaskErased                a task whose input is gone can't be done again
    │   ├── TaskInputTooLarge
    │   ├── ResultMissing             the result of a task that has none
    │   ├── ResultExpired             the same, once there was one
    │   ├── KeyInvalid                an Idempotency-Key
    │   ├── KeyMisused                the same key for something else
    │   ├── MoveIllegal               a task can't go there from where it is
    │   ├── ReplayInvalid             a plan to replay dead letters
    │   ├── ReplaySetChanged          other letters match than those that were planned
    │   ├── ReplayMoveIllegal         a plan can't do that where it stands
    │   ├── VersionConflict           somebody else changed it meanwhile
    │   └── SettingInvalid
    ├── NotFound
    │   ├── RunNotFound
    │   ├── EventNotFound
    │   ├── EventTypeNotFound
    │   ├── GenerationNotFound
    │   ├── FeedbackNotFound
    │   ├── AuditNotFound
    │   ├── ViewNotFound
    │   ├── HoldNotFound
    │   ├── TaskNotFound
    │   ├── PipelineNotFound
    │   ├── LetterNotFound            a dead letter
    │   ├── ReplayNotFound
    │   └── EvidenceMissing
    ├── Refused                       understood, and not allowed
    │   ├── BindRefused
    │   ├── HostRefused
    │   ├── OriginRefused
    │   ├── QuotaExceeded             more than a user may use
    │   ├── ReplayUnconfirmed         a large replay that nobody has confirmed
    │   ├── EventsHeld                by a legal hold
    │   ├── TaskUnderWay              what is worked on is not erased
    │   ├── SqlRefused                SQL that is more than one SELECT over the views
    │   └── PermissionDenied          by a policy that a caller asked
    ├── Unavailable                   try again later; nothing was lost
    │   ├── StoreBusy
    │   ├── StoreUnavailable
    │   ├── StoreUncertain            the one write error after which something may have been stored
    │   ├── WriterLocked
    │   ├── ServerUnavailable
    │   ├── AuditNotStored            an audit record that was to be in the store before anything goes on
    │   ├── VerifierBusy
    │   ├── WatchersFull
    │   ├── TasksUnavailable          a server that takes no tasks
    │   ├── WitnessFailed             a checkpoint did not get to where it is to be kept
    │   ├── ArchiveUnavailable        the place where archived events lie does not answer
    │   ├── SqlBusy
    │   ├── SqlFailed                 the process of a query ended without an answer
    │   ├── ReceiverBusy
    │   └── ReaderLost                the process that reads large requests of OpenTelemetry ended over one
    ├── StoreBroken                   the store needs a person
    │   ├── LedgerBroken              the ledger of usage has not what a move of a task needs
    │   ├── StoreTooNew
    │   ├── StoreGone
    │   ├── SealBroken                the seal and the journal contradict each other
    │   ├── TileMissing               a piece of the seal is not there
    │   ├── TileBroken
    │   ├── ArchiveFileMissing        a file of the archive is not where it should be
    │   ├── ArchiveFileBroken
    │   ├── BackupBroken              a backup, or what was to be backed up, is not what it was
    │   └── ErasureIncomplete         something of an erased payload is still in a file
    ├── SqlStopped                    a query that took more than it may
    ├── IndexUnsupported
    ├── NotOnThisStore                what a store in this database can't do, or not yet
    ├── ServerExtraMissing
    │   ├── ArchiveExtraMissing
    │   ├── GrpcExtraMissing
    │   ├── PostgresExtraMissing
    │   ├── DbosExtraMissing
    │   └── McpExtraMissing
    └── RedactionFailed               the payload can't be shown to be free of secrets, so it is withheld

The docstring of a class is its message: the first paragraph says what happened, in one sentence, with the facts filled
in. `flightlog.api.problems` maps each class to an HTTP status and a stable code, and a test holds that map complete.
"""

from __future__ import annotations

import string
from typing import Any


class _Lenient(dict[str, Any]):
    """Facts that a message names but nobody handed in stay visible as `{name}` instead of hiding the error."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


class FlightlogError(Exception):
    """Flightlog could not do what was asked."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The first paragraph of the docstring with this error's facts in it."""
        text = type(self).__doc__ or FlightlogError.__doc__ or ""
        first = " ".join(text.split("\n\n")[0].split())
        return string.Formatter().vformat(first, (), _Lenient(self.facts))


class BadInput(FlightlogError):
    """The input can't be taken: {reason}."""


class EventInvalid(BadInput):
    """The event is not valid: {reason}."""


class EventTypeUnknown(EventInvalid):
    """The event type {type!r} is not built in; use a built-in type or a namespaced one such as 'acme.{type}'."""


class RunMissing(EventInvalid):
    """An event of type {type!r} belongs to a run: give its run_id."""


class FieldTooLong(EventInvalid):
    """The field {field!r} has {length} characters; at most {limit} are kept."""


class EventIdConflict(EventInvalid):
    """The event id {event_id!r} is already in the journal with other content; give each event its own id."""


class FilterInvalid(BadInput):
    """The filter can't be used: {reason}."""


class QueryInvalid(FilterInvalid):
    """The query can't be read at character {at}: {reason}."""


class PipelineInvalid(BadInput):
    """The pipeline {name!r} can't be declared: {reason}."""


class PipelinesNotLoaded(BadInput):
    """No pipelines can be loaded from {place!r}: {reason}."""


class TaskInvalid(BadInput):
    """The task can't be taken as it was asked for: {reason}."""


class ResultMissing(BadInput):
    """Task {task_id!r} has no result: it is {state}."""


class ResultExpired(BadInput):
    """The result of task {task_id!r} was kept for {seconds} seconds, which are over."""


class TaskErased(BadInput):
    """What task {task_id!r} was given was erased; it can't be done again."""


class TaskInputTooLarge(BadInput):
    """The input of the task has {bytes} bytes; at most {bytes_max} are taken. Put large things elsewhere and hand in where."""


class KeyInvalid(BadInput):
    """The Idempotency-Key can't be used; it is 1 to {chars_max} visible ASCII characters."""


class KeyMisused(BadInput):
    """The Idempotency-Key {key!r} was given with another request before; a new request needs a key of its own."""


class MoveIllegal(BadInput):
    """Task {task_id!r} can't go from {before} to {after}."""


class ReplayInvalid(BadInput):
    """The replay can't be planned or applied: {reason}."""


class ReplaySetChanged(BadInput):
    """The letters of plan {plan_id!r} are not those that were planned ({reason}); nothing was replayed, make a new plan."""


class ReplayMoveIllegal(BadInput):
    """Plan {plan_id!r} is {state}, and can't be {action} any more."""


class VersionConflict(BadInput):
    """Task {task_id!r} was changed by somebody else since version {version} was read; read it again."""


class LimitInvalid(FilterInvalid):
    """The limit {limit!r} is outside 1 to {limit_max}; ask for fewer and follow the cursor."""


class CursorInvalid(FilterInvalid):
    """The cursor {cursor!r} is not one that Flightlog gave out; start again without it."""


class StatsTooMuch(FilterInvalid):
    """The numbers asked for are more than {limit}; ask for less time, or for other groups."""


class ParameterUnknown(FilterInvalid):
    """There is no parameter {parameter!r} here{hint}; there are: {known}."""


class BodyInvalid(BadInput):
    """The request body is not what this endpoint reads: {reason}."""


class BodyTooLarge(BodyInvalid):
    """The request body is larger than {limit} bytes; send smaller batches."""


class MediaTypeUnsupported(BodyInvalid):
    """The content type {media_type!r} is not read here; send {expected}."""


class ViewInvalid(BadInput):
    """The view can't be saved: {reason}."""


class FeedbackInvalid(BadInput):
    """The feedback can't be taken: {reason}."""


class ImportInvalid(BadInput):
    """{path} can't be imported as {format}: {reason}."""


class NoteInvalid(BadInput):
    """The signed note can't be believed: {reason}."""


class SettingInvalid(BadInput):
    """The setting {name} can't be {value!r}: {reason}."""


class PricesInvalid(BadInput):
    """The price list {path} can't be used: {reason}."""


class RetentionInvalid(BadInput):
    """The rules of retention can't be used: {reason}."""


class SqlInvalid(BadInput):
    """The SQL can't be run: {reason}."""


class NotFound(FlightlogError):
    """There is no {what} {id!r}."""


class TaskNotFound(NotFound):
    """There is no task {task_id!r}."""


class PipelineNotFound(NotFound):
    """There is no pipeline {name!r} here; there are: {known}."""


class LetterNotFound(NotFound):
    """There is no dead letter {letter_id!r}."""


class ReplayNotFound(NotFound):
    """There is no plan {plan_id!r} to replay dead letters."""


class RunNotFound(NotFound):
    """There is no run {run_id!r} in this store."""


class EventNotFound(NotFound):
    """There is no event {event_id!r} in this store."""


class EventTypeNotFound(NotFound):
    """There is no built-in event type {type!r}; `flightlog catalogue` lists them."""


class GenerationNotFound(NotFound):
    """There is no generation {generation_id!r} in this store."""


class FeedbackNotFound(NotFound):
    """There is no feedback {feedback_id!r} in this store."""


class AuditNotFound(NotFound):
    """There is no audit record with the event id {event_id!r} in this store."""


class ViewNotFound(NotFound):
    """There is no saved view {view_id!r} in this store."""


class HoldNotFound(NotFound):
    """There is no hold {hold_id!r} that stands."""


class EvidenceMissing(NotFound):
    """There is no evidence of {subject} yet: {reason}."""


class Refused(FlightlogError):
    """That is not allowed: {reason}."""


class BindRefused(Refused):
    """Flightlog binds to loopback only, because it has no authentication yet; {host!r} would open it to others.

    Use 127.0.0.1 and put a reverse proxy that authenticates in front of it.
    """


class HostRefused(Refused):
    """The Host header {host!r} is not this server's; requests by another name are refused (DNS rebinding)."""


class OriginRefused(Refused):
    """The Origin {origin!r} is not this server's; pages of other sites can't call it."""


class QuotaExceeded(Refused):
    """The quota of {user_id!r} is used up: {used} of {units_max} units are used or held."""


class ReplayUnconfirmed(Refused):
    """{letters} letters at a concurrency of {concurrency} are replayed only with the confirmation {confirm!r}."""


class EventsHeld(Refused):
    """{count} of these events are under the legal hold {hold} ({reason}); release it first, if that is right."""


class TaskUnderWay(Refused):
    """Task {task_id!r} is under way ({state}) and needs what it was given; cancel it or wait for its end, then erase it."""


class SqlRefused(Refused):
    """The SQL is not run: {reason}."""


class PermissionDenied(Refused):
    """{capability} is not allowed{on}: {reason}."""


class Unavailable(FlightlogError):
    """Not possible right now: {reason}."""


class StoreBusy(Unavailable):
    """The store did not take the write within {timeout_seconds} seconds; nothing was stored, try again."""


class StoreUnavailable(Unavailable):
    """The store can't be written right now ({reason}); nothing was stored, try again."""


class StoreUncertain(Unavailable):
    """The commit did not come back within {timeout_seconds} seconds, so it may or may not be stored; send it again."""


class WriterLocked(Unavailable):
    """Another process (pid {pid}) is the writer of {folder}; one folder has one writer."""


class ServerUnavailable(Unavailable):
    """The server at {url} did not answer ({reason}); events stay in the local spool until it does."""


class AuditNotStored(Unavailable):
    """The audit record of {operation!r} is not in the store, it is {state}: {reason}."""


class TasksUnavailable(Unavailable):
    """This server takes no tasks; it only reads."""


class WatchersFull(Unavailable):
    """All {limit} event streams are in use; close one, or poll with afterId."""


class ReceiverBusy(Unavailable):
    """All {limit} requests of OpenTelemetry that are taken at once are under way; send the same again."""


class ReaderLost(Unavailable):
    """The process that reads large requests of OpenTelemetry ended over this one ({reason}); send the same again."""


class SqlBusy(Unavailable):
    """All {limit} queries that run at once are under way; ask again when one of them is done."""


class SqlFailed(Unavailable):
    """The query came to no end: {reason}."""


class VerifierBusy(Unavailable):
    """A verification of the whole store is under way already; it takes a while."""


class ArchiveUnavailable(Unavailable):
    """The archive in {place} can't be used right now ({reason}); nothing was lost, try again."""


class WitnessFailed(Unavailable):
    """The checkpoint is not at every witness: {places}."""


class StoreBroken(FlightlogError):
    """The store needs attention: {reason}."""


class LedgerBroken(StoreBroken):
    """The ledger of task {task_id!r} does not add up for {source!r}: {reason}."""


class StoreTooNew(StoreBroken):
    """The store is at migration {found}, newer than this Flightlog knows; upgrade Flightlog to open it."""


class StoreGone(StoreBroken):
    """The store file {path} was removed or replaced while it was open."""


class SealBroken(StoreBroken):
    """The seal does not fit the journal, so nothing more is signed: {reason}."""


class TileMissing(StoreBroken):
    """The seal's file {path} is not there."""


class TileBroken(StoreBroken):
    """The seal's file {path} is damaged: {reason}."""


class ErasureIncomplete(StoreBroken):
    """A piece of an erased payload is still in {path}; what was recorded as erased is gone from the journal."""


class ArchiveFileMissing(StoreBroken):
    """The archive's file {path} is not there."""


class BackupBroken(StoreBroken):
    """The backup can't be relied on because of {path}: {reason}."""


class ArchiveFileBroken(StoreBroken):
    """The archive's file {path} is damaged: {reason}."""


class SqlStopped(FlightlogError):
    """The query was stopped: {reason}."""


class IndexUnsupported(FlightlogError):
    """A text index is made by SQLite, and this store is {dialect}; search without one looks at a bounded number of events."""


class NotOnThisStore(FlightlogError):
    """{what} is not there with a store on {dialect}: {reason}."""


class ServerExtraMissing(FlightlogError):
    """{what} needs the server extra: pip install 'flightlog[server]'."""


class GrpcExtraMissing(ServerExtraMissing):
    """{what} needs the grpc extra: pip install 'flightlog[grpc]'."""


class PostgresExtraMissing(ServerExtraMissing):
    """{what} needs the postgres extra: pip install 'flightlog[postgres]'."""


class DbosExtraMissing(ServerExtraMissing):
    """{what} needs the dbos extra: pip install 'flightlog[dbos]'."""


class McpExtraMissing(ServerExtraMissing):
    """{what} needs the mcp extra: pip install 'flightlog[mcp]'."""


class ArchiveExtraMissing(ServerExtraMissing):
    """{what} needs the archive extra: pip install 'flightlog[archive]'."""


class RedactionFailed(FlightlogError):
    """The text can't be shown to be free of secrets ({reason}), so it is withheld."""
