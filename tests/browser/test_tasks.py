"""Tasks in a browser: a task that is followed to its end without a jump, canceled, retried; dead letters that are replayed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from flightlog.services import Services
from flightlog.tasks import Unrecoverable
from flightlog.tasks.task import Task
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


class Half(Gate):
    """A step that is at 40 percent until it is let through."""

    def __call__(self, task: Any) -> Any:
        task.progress(0.4)
        return super().__call__(task)


class Broken:
    """A step that fails for good until it is mended."""

    def __init__(self) -> None:
        self.mended = threading.Event()

    def __call__(self, task: Any) -> Any:
        if not self.mended.is_set():
            raise Unrecoverable(f"the file {task.input['file']!r} is no PDF")
        return {"pages": 3}


class Office(NamedTuple):
    """A server that does tasks, with steps that the test holds in its hands."""

    services: Services
    visits: Visits
    half: Half
    broken: Broken

    def hand_in(self, pipeline: str, **given: Any) -> Task:
        assert self.services.platform is not None
        return submit(self.services.platform, pipeline, **given)

    def over(self, task: Task) -> Task:
        assert self.services.platform is not None
        return wait_over(self.services.platform, task)


@pytest.fixture
def office(browser: Browser, tmp_path: Path) -> Iterator[Office]:
    half, broken = Half({"words": 12}), Broken()
    with open_services(tmp_path / "flight") as services:
        platform = make_platform(
            services.store, tmp_path / "worker", steps("count", COUNTING=half), steps("parse", PARSING=broken)
        )
        with running(platform):
            whole = changed(services, platform=platform)
            with Server(whole) as server:
                visits = Visits(browser, server.url)
                yield Office(whole, visits, half, broken)
                visits.close()
            half.open.set()
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
    page = office.visits.open("/tasks")
    expect(page.get_by_role("heading", name="No tasks yet")).to_be_visible()
    page.evaluate("() => { window.same = true; }")
    sent = page.request.post(f"{office.visits.url}/v1/tasks", data={"pipeline": "count", "input": {"text": "a b"}})
    assert sent.status == 201
    row = page.locator(ROW)
    expect(row).to_contain_text("COUNTING")
    expect(row).to_contain_text("40 %")
    stays(page)
    page.keyboard.press("j")
    expect(row).to_be_focused()
    office.half.open.set()
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
    office.half.wait()
    page = office.visits.open(f"/tasks/{task.task_id}")
    expect(page.locator("#task-head")).to_contain_text("40 %")
    expect(page.get_by_role("region", name="Result")).to_contain_text("422")
    expect(page.locator(".track [aria-current=step]")).to_have_text("COUNTING")
    page.evaluate("() => { window.same = true; }")
    page.get_by_role("link", name="Run", exact=True).focus()
    office.half.open.set()
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
    office.half.wait()
    page = office.visits.open("/tasks")
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


def test_what_was_over_by_then_is_said_in_the_dialog(office: Office) -> None:
    office.visits.expect("status of 422")
    task = office.hand_in("count")
    office.half.wait()
    page = office.visits.open(f"/tasks/{task.task_id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    office.half.open.set()
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
    office.broken.mended.set()
    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_label("Why").fill("a reader for it came")
    page.get_by_role("button", name="Retry it").click()
    expect(page.locator("#now")).to_contain_text("SUCCEEDED")
    expect(page.locator("#story")).to_contain_text("Attempt 2 (round 2)")
    expect(page.get_by_role("region", name="Dead letters")).to_contain_text("resolved")
    expect(page.get_by_role("region", name="Ledger")).to_contain_text("COMMITTED")


def test_choices_narrow_the_list_and_stand_in_the_address(office: Office) -> None:
    office.over(office.hand_in("parse", input={"file": "a.doc"}))
    office.hand_in("count")
    office.half.wait()
    page = office.visits.open("/tasks")
    expect(page.locator(ROW)).to_have_count(2)
    page.get_by_label("Pipeline").select_option("parse")
    page.wait_for_url("**/tasks?pipeline=parse")
    expect(page.locator(ROW)).to_have_count(1)
    page.locator("#states").get_by_role("link", name="FAILED").click()
    page.wait_for_url("**state=FAILED**")
    expect(page.locator(ROW)).to_contain_text("is no PDF")


def test_hostile_text_runs_nowhere(office: Office) -> None:
    script = "<img src=x onerror='window.pwned = 1'><script>window.pwned = 2</script>"
    task = office.over(office.hand_in("parse", input={"file": script, script: script}, user_id=script, project="p"))
    for path in ("/tasks", f"/tasks/{task.task_id}", "/deadletters", f"/deadletters/{task.task_id}.1"):
        page = office.visits.open(path)
        expect(page.locator("main")).to_contain_text("is no PDF")
        assert page.evaluate("() => window.pwned") is None


def test_without_scripts_tasks_can_be_read(office: Office) -> None:
    task = office.hand_in("count")
    assert office.services.platform is not None
    wait_in(office.services.platform, task, "COUNTING")
    page = office.visits.open("/tasks", scripts=False)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.locator(f"{ROW} a").click()
    expect(page.locator("#now")).to_contain_text("COUNTING")
    assert f"flightlog tasks cancel {task.task_id}" in page.content()
