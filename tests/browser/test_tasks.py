"""Tasks in a browser: a task that is followed to its end without a jump, canceled, retried; dead letters that are replayed.

The shorter ones come with the long campaigns: a page in a browser takes a second or two each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from flightlog.services import Services
from flightlog.tasks import Unrecoverable
from flightlog.tasks.task import Task
from flightlog.working.platform import Platform
from tests.api.serving import Server, changed, open_services
from tests.browser.chromium import Visits
from tests.working.floor import Gate, make_platform, running, steps, submit, wait_in, wait_over

ROW = "tr[data-task]"
# What moved on the page by itself, as the browser itself measures it; a press of a key or the mouse may move things.
WATCH_SHIFTS = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
  }).observe({ type: "layout-shift" });
}"""


class Half:
    """A step that is at 40 percent until it is let through, by a gate that each test has for itself."""

    gate = Gate()

    def __call__(self, task: Any) -> Any:
        task.progress(0.4)
        return self.gate(task)


class Broken:
    """A step that fails for good until it is mended."""

    mended = threading.Event()

    def __call__(self, task: Any) -> Any:
        if not self.mended.is_set():
            raise Unrecoverable(f"the file {task.input['file']!r} is no PDF")
        return {"pages": 3}


class Works(NamedTuple):
    """A server that does tasks."""

    services: Services
    url: str
    half: Half
    broken: Broken


class Office(NamedTuple):
    """What a test sees of it: pages, and tasks of a user of its own."""

    works: Works
    visits: Visits
    user: str

    @property
    def platform(self) -> Platform:
        assert self.works.services.platform is not None
        return self.works.services.platform

    @property
    def gate(self) -> Gate:
        return self.works.half.gate

    @property
    def mended(self) -> threading.Event:
        return self.works.broken.mended

    def open(self, path: str, **more: Any) -> Page:
        return self.visits.open(f"{path}?user={self.user}", **more)

    def hand_in(self, pipeline: str, **given: Any) -> Task:
        return submit(self.platform, pipeline, **{"user_id": self.user} | given)

    def over(self, task: Task) -> Task:
        return wait_over(self.platform, task)


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder, half, broken = tmp_path_factory.mktemp("works"), Half(), Broken()
    confirmed: dict[str, Any] = {"replay_confirm_letters_min": 3}
    with open_services(folder / "flight", **confirmed) as services:
        platform = make_platform(
            services.store,
            folder / "worker",
            steps("count", COUNTING=half),
            steps("parse", PARSING=broken),
            **confirmed,
        )
        with running(platform):
            whole = changed(services, platform=platform)
            with Server(whole) as server:
                yield Works(whole, server.url, half, broken)


@pytest.fixture
def office(browser: Browser, works: Works, request: pytest.FixtureRequest) -> Iterator[Office]:
    works.half.gate = Gate({"words": 12})
    works.broken.mended = threading.Event()
    visits = Visits(browser, works.url)
    yield Office(works, visits, request.node.name.removeprefix("test_")[:40])
    visits.close()
    works.half.gate.open.set()
    assert not visits.wrong()


def stays(page: Page) -> None:
    """Mark the page, so that it is seen when it is loaded anew, and watch what moves."""
    page.evaluate("() => { window.same = true; }")
    page.evaluate(WATCH_SHIFTS)


def assert_stayed(page: Page) -> None:
    assert page.evaluate("() => window.same === true"), "the page was loaded anew"
    assert page.evaluate("() => window.shifted") < 0.01


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_followed_from_the_first_row_to_its_end_without_a_jump(office: Office) -> None:
    # It leaves what the list is narrowed to, and stays where it is until somebody asks for another list.
    page = office.visits.open(f"/tasks?user={office.user}&state=COUNTING")
    expect(page.get_by_role("heading", name="No task matches")).to_be_visible()
    page.evaluate("() => { window.same = true; }")
    asked = {"pipeline": "count", "input": {"text": "a b"}, "user_id": office.user}
    sent = page.request.post(f"{office.visits.url}/v1/tasks", data=asked)
    assert sent.status == 201
    row = page.locator(ROW)
    expect(row).to_contain_text("COUNTING")
    expect(row).to_contain_text("40 %")
    stays(page)
    page.keyboard.press("j")
    expect(row).to_be_focused()
    office.gate.open.set()
    expect(row).to_contain_text("SUCCEEDED")
    expect(row).to_contain_text("100 %")
    expect(row).to_be_focused()
    expect(page.locator("#said")).to_have_text("count: succeeded")
    expect(page.locator("#states")).to_contain_text("SUCCEEDED 1")
    assert_stayed(page)
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("count")
    expect(page.get_by_role("region", name="Result")).to_contain_text('"words": 12')


def test_the_page_of_a_task_goes_on_while_it_runs(office: Office) -> None:
    task = office.hand_in("count")
    office.gate.wait()
    page = office.visits.open(f"/tasks/{task.task_id}")
    expect(page.locator("#task-head")).to_contain_text("40 %")
    expect(page.get_by_role("region", name="Result")).to_contain_text("422")
    expect(page.locator(".track [aria-current=step]")).to_have_text("COUNTING")
    page.evaluate("() => { window.same = true; }")
    page.get_by_role("link", name="Run", exact=True).focus()
    office.gate.open.set()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")
    expect(page.locator("#said")).to_have_text("The task is in SUCCEEDED.")
    expect(page.get_by_role("region", name="Result")).to_contain_text('"words": 12')
    expect(page.locator("#latest")).to_contain_text("run_finished")
    expect(page.get_by_role("link", name="Run", exact=True)).to_be_focused()
    assert page.evaluate("() => window.same === true")
    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_role("link", name="Task", exact=True).click()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")


def test_a_task_is_canceled_from_the_list_with_a_reason_and_the_keyboard_alone(office: Office) -> None:
    task = office.hand_in("count")
    office.gate.wait()
    page = office.open("/tasks")
    page.locator(ROW).first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Cancel the task?")
    expect(dialog).to_contain_text("count")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(ROW)).to_contain_text("COUNTING")
    page.keyboard.press("c")
    page.keyboard.type("the wrong file")
    page.keyboard.press("Enter")
    expect(page.locator(ROW)).to_contain_text("CANCELED")
    expect(page.locator("#toast")).to_have_text("The task was canceled.")
    expect(page.locator(ROW)).to_be_focused()
    assert office.over(task).reason == "the wrong file"
    page.keyboard.press("Enter")
    expect(page.locator("#task-head")).to_contain_text("the wrong file")


@pytest.mark.torture
def test_what_was_over_by_then_is_said_in_the_dialog(office: Office) -> None:
    office.visits.expect("status of 422")
    task = office.hand_in("count")
    office.gate.wait()
    page = office.visits.open(f"/tasks/{task.task_id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    office.gate.open.set()
    office.over(task)
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("alert")).to_contain_text("can't go from SUCCEEDED to CANCELED")
    page.get_by_role("button", name="Leave it").click()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")


def test_a_task_that_failed_is_retried_on_its_page(office: Office) -> None:
    task = office.over(office.hand_in("parse", input={"file": "a.doc"}))
    page = office.visits.open(f"/tasks/{task.task_id}")
    expect(page.locator("#data")).to_contain_text("the file 'a.doc' is no PDF")
    expect(page.get_by_role("region", name="Dead letters")).to_contain_text("open")
    office.mended.set()
    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_label("Why").fill("a reader for it came")
    page.get_by_role("button", name="Retry it").click()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")
    expect(page.locator("#story")).to_contain_text("Attempt 2 (round 2)")
    expect(page.get_by_role("region", name="Dead letters")).to_contain_text("resolved")
    expect(page.get_by_role("region", name="Ledger")).to_contain_text("COMMITTED")


@pytest.mark.torture
def test_choices_narrow_the_list_and_stand_in_the_address(office: Office) -> None:
    office.over(office.hand_in("parse", input={"file": "a.doc"}))
    office.hand_in("count")
    office.gate.wait()
    page = office.open("/tasks")
    expect(page.locator(ROW)).to_have_count(2)
    page.get_by_label("Pipeline").select_option("parse")
    page.wait_for_url("**pipeline=parse**")
    expect(page.locator(ROW)).to_have_count(1)
    page.locator("#states").get_by_role("link", name="FAILED").click()
    page.wait_for_url("**state=FAILED**")
    expect(page.locator(ROW)).to_contain_text("is no PDF")


@pytest.mark.torture
def test_hostile_text_runs_nowhere(office: Office) -> None:
    script = "<img src=x onerror='window.pwned = 1'><script>window.pwned = 2</script>"
    task = office.over(office.hand_in("parse", input={"file": script, script: script}, user_id=script, project="p"))
    for path in ("/tasks", f"/tasks/{task.task_id}", "/deadletters", f"/deadletters/{task.task_id}.1"):
        page = office.visits.open(path)
        expect(page.locator("main")).to_contain_text("is no PDF")
        assert page.evaluate("() => window.pwned") is None


@pytest.mark.torture
def test_without_scripts_tasks_can_be_read(office: Office) -> None:
    task = office.hand_in("count")
    wait_in(office.platform, task, "COUNTING")
    page = office.open("/tasks", scripts=False)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.locator(f"{ROW} a").click()
    expect(page.locator("#now")).to_contain_text("COUNTING")
    assert f"flightlog tasks cancel {task.task_id}" in page.content()


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_letters_are_replayed_by_a_plan_that_is_confirmed_and_watched(office: Office) -> None:
    for number in range(3):
        office.over(office.hand_in("parse", input={"file": f"letter-{number}.doc"}))
    page = office.open("/deadletters")
    expect(page.locator("tr[data-group]")).to_have_count(1)
    page.locator("tr[data-group] a").click()
    expect(page.locator("tr[data-letter]")).to_have_count(3)
    page.get_by_role("button", name="Plan a replay").click()
    dialog = page.get_by_role("dialog", name="Plan a replay")
    expect(dialog).to_contain_text(f"user {office.user}")
    dialog.get_by_label("Up to 20 at once").check()
    dialog.get_by_label("At once, 10 at most").fill("20")
    dialog.get_by_role("button", name="See what would happen").click()
    page.wait_for_url("**/deadletters/plans/*")
    expect(page.locator("main h1")).to_have_text("Replay of 3 dead letters")
    expect(page.locator(".items tbody tr")).to_have_count(3)
    page.evaluate("() => { window.same = true; }")
    go = page.get_by_role("button", name="Replay 3 dead letters")
    page.get_by_label("Why").fill("a reader for it came")
    page.get_by_label("Your name").fill("ann")
    go.click()
    # What has to be typed is asked for by the browser before anything is sent.
    confirm = page.get_by_label("Type replay 3 dead letters")
    expect(confirm).to_be_focused()
    confirm.fill("replay 3 dead letters")
    office.mended.set()
    go.click()
    expect(page.locator("#now")).to_contain_text("done", timeout=20_000)
    expect(page.locator(".items")).to_contain_text("SUCCEEDED")
    expect(page.locator("#going")).to_contain_text("3 of 3")
    expect(page.locator("#going")).to_contain_text("3 succeeded")
    expect(page.locator("#said")).to_have_text("The replay is done.")
    expect(page.locator("#apply")).to_have_count(0)
    assert page.evaluate("() => window.same === true")
    page.locator(".items tbody tr a").first.click()
    expect(page.locator("main")).to_contain_text("resolved")
    page.get_by_role("link", name="Task", exact=True).click()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")


def test_a_replay_of_what_fails_again_stops_by_itself_and_a_changed_set_is_refused(office: Office) -> None:
    office.visits.expect("status of 409")
    office.over(office.hand_in("parse", input={"file": "a.doc"}))
    page = office.open("/deadletters")
    page.get_by_role("button", name="Plan a replay").click()
    page.get_by_role("button", name="See what would happen").click()
    page.wait_for_url("**/deadletters/plans/*")
    office.over(office.hand_in("parse", input={"file": "b.doc"}))
    page.get_by_label("Why").fill("try")
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Replay 1 dead letter").click()
    expect(page.locator("#now")).to_contain_text("refused")
    expect(page.locator("#going")).to_contain_text("finds others by now")
    page = office.open("/deadletters")
    page.get_by_role("button", name="Plan a replay").click()
    page.get_by_role("button", name="See what would happen").click()
    page.wait_for_url("**/deadletters/plans/*")
    page.get_by_label("Why").fill("try again")
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Replay 2 dead letters").click()
    expect(page.locator("#now")).to_contain_text("stopped", timeout=20_000)
    expect(page.locator("#going")).to_contain_text("1 of 1 replayed tasks failed again")
    expect(page.locator(".items")).to_contain_text("waits for its turn")
