"""The writer thread, with a database that is a list: every turn that a commit can take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flightlog.errors import StoreBusy, StoreUnavailable, StoreUncertain
from flightlog.store.writer import BlockedByOther, Writer

WAIT = 20.0


class ListSession:
    """A database in memory that fails when it is told to."""

    def __init__(self, savepoints_are_dear: bool = False) -> None:
        self.savepoints_are_dear = savepoints_are_dear
        self.stored: list[str] = []
        self.open: list[str] | None = None
        self.mark = 0
        self.commits = 0
        self.tidied: list[int] = []  # after how many commits
        self.was_tidied = threading.Event()
        self.begin_errors: list[BaseException] = []
        self.commit_errors: list[BaseException] = []
        self.lost_transaction = False
        self.at_commit: Callable[[], None] = lambda: None

    def begin(self) -> Any:
        if self.begin_errors:
            raise self.begin_errors.pop(0)
        self.open = []
        return self.open

    def tidy(self) -> None:
        self.tidied.append(len(self.stored))
        self.was_tidied.set()

    def savepoint(self) -> None:
        assert self.open is not None
        self.mark = len(self.open)

    def keep(self) -> None:
        pass

    def undo(self) -> bool:
        if self.lost_transaction:
            self.lost_transaction = False
            self.open = None
            return False
        assert self.open is not None
        del self.open[self.mark :]
        return True

    def commit(self) -> None:
        self.at_commit()
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        assert self.open is not None
        self.stored += self.open
        self.open = None
        self.commits += 1

    def rollback(self) -> None:
        self.open = None

    def explain(self, error: BaseException) -> BaseException:
        return StoreUnavailable(reason="explained") if isinstance(error, OSError) else error


@pytest.fixture(params=[False, True], ids=["with savepoints", "savepoints where needed"])
def session(request: pytest.FixtureRequest) -> ListSession:
    return ListSession(request.param)


@pytest.fixture
def writer(session: ListSession) -> Iterator[Writer]:
    made = Writer(session, group_max=64, on_commit=lambda: None, name="test-writer")
    yield made
    made.close()


def put(name: str) -> Callable[[Any], str]:
    def fn(tx: Any) -> str:
        tx.append(name)
        return name

    return fn


def together(writer: Writer, *fns: Callable[[Any], Any]) -> list[Any]:
    """Queue these while the thread is held up, so that they are one group; their results or errors."""
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert release.wait(WAIT)

    with ThreadPoolExecutor(len(fns) + 1) as pool:
        held = pool.submit(writer.call, hold, WAIT)
        assert entered.wait(WAIT)
        answers = []
        for number, fn in enumerate(fns, 1):
            answers.append(pool.submit(writer.write, fn, WAIT))
            while writer._jobs.qsize() < number:
                pass
        release.set()
        held.result(WAIT)
        return [answer.exception(WAIT) or answer.result() for answer in answers]


def test_what_can_wait_is_done_when_nobody_comes_and_not_between_two_that_do(
    session: ListSession, writer: Writer
) -> None:
    assert session.was_tidied.wait(WAIT)
    session.was_tidied.clear()
    del session.tidied[:]
    together(writer, put("a"), put("b"))
    assert session.was_tidied.wait(WAIT)
    assert session.tidied == [2]


def test_a_group_is_one_commit(session: ListSession, writer: Writer) -> None:
    assert together(writer, put("a"), put("b"), put("c")) == ["a", "b", "c"]
    assert (session.stored, session.commits) == (["a", "b", "c"], 1)


def test_when_the_commit_of_a_group_fails_each_gets_its_own_try(session: ListSession, writer: Writer) -> None:
    session.commit_errors = [OSError("full"), OSError("full again")]
    a, b, c = together(writer, put("a"), put("b"), put("c"))
    assert isinstance(a, StoreUnavailable)
    assert (b, c) == ("b", "c")
    assert session.stored == ["b", "c"]


def test_what_may_have_been_committed_is_not_done_again(session: ListSession, writer: Writer) -> None:
    session.commit_errors = [StoreUncertain(timeout_seconds=1)]
    assert {type(answer) for answer in together(writer, put("a"), put("b"), put("c"))} == {StoreUncertain}
    assert writer.write(put("d"), WAIT) == "d"
    assert session.stored == ["d"]


def test_when_one_of_a_group_ends_the_transaction_the_others_are_stored(session: ListSession, writer: Writer) -> None:
    def ends_it(_: Any) -> None:
        session.lost_transaction = True
        raise OSError("full")

    a, bad, c = together(writer, put("a"), ends_it, put("c"))
    assert (a, c) == ("a", "c")
    assert isinstance(bad, StoreUnavailable)
    assert session.stored == ["a", "c"]


def test_an_error_of_the_function_is_not_explained_away(writer: Writer) -> None:
    def fails(_: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        writer.write(fails, WAIT)


def test_system_exit_in_a_function_goes_to_its_caller_and_the_thread_lives_on(
    session: ListSession, writer: Writer
) -> None:
    def leaves(_: Any) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        writer.write(leaves, WAIT)
    assert writer.write(put("a"), WAIT) == "a"


def test_a_transaction_that_can_not_begin_fails_the_group_and_the_thread_lives_on(
    session: ListSession, writer: Writer
) -> None:
    session.begin_errors = [OSError("gone")] * 3
    assert [type(answer) for answer in together(writer, put("a"), put("b"))] == [StoreUnavailable] * 2
    assert writer.write(put("c"), WAIT) == "c"
    assert session.stored == ["c"]


def test_while_another_process_writes_we_try_again(session: ListSession, writer: Writer) -> None:
    session.begin_errors = [BlockedByOther()] * 5
    assert writer.write(put("a"), WAIT) == "a"


def test_while_another_process_writes_callers_leave_when_their_time_is_up(session: ListSession, writer: Writer) -> None:
    session.begin_errors = [BlockedByOther()] * 10**6
    with pytest.raises(StoreBusy):
        writer.write(put("a"), 0.05)
    session.begin_errors = []
    writer.write(put("b"), WAIT)
    assert session.stored == ["b"]


def test_who_withdraws_before_the_commit_is_not_stored_and_the_neighbour_is(
    session: ListSession, writer: Writer
) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(tx: Any) -> str:
        tx.append("slow")
        entered.set()
        assert release.wait(WAIT)
        return "slow"

    with ThreadPoolExecutor(3) as pool:
        held, go = threading.Event(), threading.Event()
        pool.submit(writer.call, lambda: (held.set(), go.wait(WAIT)), WAIT)
        assert held.wait(WAIT)
        short = pool.submit(writer.write, put("short"), 0.3)
        while writer._jobs.qsize() < 1:
            pass
        neighbour = pool.submit(writer.write, slow, WAIT)
        while writer._jobs.qsize() < 2:
            pass
        go.set()
        assert entered.wait(WAIT)
        assert isinstance(short.exception(WAIT), StoreBusy)
        release.set()
        assert neighbour.result(WAIT) == "slow"
    assert session.stored == ["slow"]


def test_who_waits_for_a_commit_that_has_begun_gets_its_outcome(session: ListSession, writer: Writer) -> None:
    """The time is up while the commit is under way: it can't be called back, so its outcome is waited for."""
    committing, release = threading.Event(), threading.Event()

    def slow_commit() -> None:
        committing.set()
        assert release.wait(WAIT)

    session.at_commit = slow_commit
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(writer.write, put("a"), 1.0)
        assert committing.wait(WAIT)
        threading.Timer(1.2, release.set).start()
        assert answer.result(WAIT) == "a"
    assert session.stored == ["a"]


def test_a_commit_that_never_comes_back_is_called_uncertain(session: ListSession, writer: Writer) -> None:
    release = threading.Event()
    session.at_commit = lambda: release.wait(WAIT) and None
    with pytest.raises(StoreUncertain, match="may or may not"):
        writer.write(put("a"), 1.0)
    session.at_commit = lambda: None
    release.set()
    assert writer.write(put("b"), WAIT) == "b"
    assert session.stored == ["a", "b"]


def test_a_commit_tells_who_listens(session: ListSession) -> None:
    told: list[int] = []
    writer = Writer(session, group_max=1, on_commit=lambda: told.append(1), name="test-writer")
    writer.write(put("a"), WAIT)
    writer.close()
    assert told == [1]


def test_a_call_runs_between_transactions_and_gives_its_result(session: ListSession, writer: Writer) -> None:
    assert writer.call(lambda: session.open, WAIT) is None
    with pytest.raises(StoreUnavailable, match="explained"):
        writer.call(lambda: (_ for _ in ()).throw(OSError("no")), WAIT)


def test_a_call_waits_its_turn_behind_what_was_asked_before_it(session: ListSession, writer: Writer) -> None:
    order: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *_: order.append(name)

    entered, release = threading.Event(), threading.Event()
    with ThreadPoolExecutor(5) as pool:
        pool.submit(writer.call, lambda: (entered.set(), release.wait(WAIT)), WAIT)
        assert entered.wait(WAIT)
        answers = []
        asked = [(writer.write, "a"), (writer.write, "b"), (writer.call, "c"), (writer.write, "d")]
        for number, (ask, name) in enumerate(asked, 1):
            answers.append(pool.submit(ask, note(name), WAIT))
            while writer._jobs.qsize() < number:
                pass
        release.set()
        for answer in answers:
            answer.result(WAIT)
    assert order == ["a", "b", "c", "d"]
    assert session.commits == 2


def test_closing_twice_and_writing_after_is_safe(writer: Writer) -> None:
    writer.close()
    writer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        writer.write(put("a"), WAIT)
