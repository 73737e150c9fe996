"""Runs and spans: what frames all other events."""

from __future__ import annotations

from flightlog.events.catalogue.declare import (
    ATTRIBUTES,
    ERROR,
    FIX_SPAN,
    OTLP,
    ROOT_SPAN,
    EventType,
    anything,
    count,
    example,
    free,
    many,
    payload,
    text,
)

RUN = (
    EventType(
        code="FR-EVT-001",
        type="run_started",
        title="Run started",
        description="A run begins: one piece of work, by one actor, to which later events belong.",
        schema=payload(
            "run_started",
            {
                "name": text("What the run is for, as a person would say it."),
                "attributes": ATTRIBUTES,
                "input": anything("What the run was asked to do."),
            },
            needs=["name"],
        ),
        example=example(
            1,
            "run_started",
            0,
            {
                "name": "fix the login bug",
                "attributes": {"repo": "acme/shop", "branch": "main", "commit": "9f1c2e7"},
                "input": {"issue": 482, "title": "Login fails when the e-mail has capitals"},
            },
            name="fix the login bug",
            span_id=ROOT_SPAN,
            task_id="issue-482",
        ),
    ),
    EventType(
        code="FR-EVT-002",
        type="run_finished",
        title="Run finished",
        description="A run ends, with its outcome as status.",
        schema=payload("run_finished", {"error": ERROR, "output": anything("What came out of the run.")}),
        example=example(
            21,
            "run_finished",
            48_912,
            {"output": {"summary": "Compare e-mail addresses without case.", "files_changed": 1}},
            name="fix the login bug",
            span_id=ROOT_SPAN,
            task_id="issue-482",
            status="succeeded",
            duration_ns=48_912_004_771,
        ),
        statuses=("succeeded", "failed", "canceled"),
        timed=True,
    ),
    EventType(
        code="FR-EVT-003",
        type="run_heartbeat",
        title="Run heartbeat",
        description="A run says that it is still alive, so that one that hangs can be told from one that thinks.",
        schema=payload(
            "run_heartbeat",
            {
                "open_spans": many("The spans that are open, outermost first."),
                "uptime_ns": count("Nanoseconds since the run started."),
            },
        ),
        example=example(
            12,
            "run_heartbeat",
            20_000,
            {"open_spans": ["fix"], "uptime_ns": 20_000_118_204},
            level="debug",
            span_id=ROOT_SPAN,
        ),
    ),
)

SPAN = (
    EventType(
        code="FR-EVT-004",
        type="span_started",
        title="Span started",
        description="A named part of a run begins; spans lie inside each other.",
        schema=payload("span_started", {"attributes": ATTRIBUTES}),
        example=example(
            2,
            "span_started",
            3,
            {"attributes": {"attempt": 1}},
            name="fix",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
        ),
    ),
    EventType(
        code="FR-EVT-005",
        type="span_finished",
        title="Span finished",
        description="A named part of a run ends.",
        schema=payload(
            "span_finished",
            {
                "operation": text(
                    "What kind of work it is: invoke_agent, workflow, retrieval, … (gen_ai.operation.name)."
                ),
                "input": anything("What it was given."),
                "output": anything("What came out of it."),
                "documents": many("What a retrieval found.", free("id, content, score and metadata.")),
                "attributes": ATTRIBUTES,
                "error": ERROR,
                "otlp": OTLP,
            },
        ),
        example=example(
            20,
            "span_finished",
            48_880,
            {"attributes": {"attempt": 1, "edits": 1}},
            name="fix",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            status="ok",
            duration_ns=48_877_310_090,
        ),
        statuses=("ok", "error"),
        timed=True,
    ),
)

RESOURCE = (
    EventType(
        code="FR-EVT-006",
        type="resource",
        title="Resource described",
        description="Where events of OpenTelemetry come from, once: the process, the instrumentation and who read them. They"
        " name it by the digest.",
        schema=payload(
            "resource",
            {
                "digest": text("What events name it by."),
                "attributes": free("The resource's attributes, by OpenTelemetry's names."),
                "schema_url": text("The version of the names."),
                "scope": text("The instrumentation, as name@version."),
                "scope_attributes": free("What the instrumentation says of itself."),
                "dialect": text(
                    "The conventions that attributes were read by, such as genai, openinference, openllmetry."
                ),
                "mapping": count("The version of the mapping that read them."),
            },
            needs=["digest", "attributes"],
        ),
        example=example(
            38,
            "resource",
            3,
            {
                "digest": "9b2e6f0c1d3a4857",
                "attributes": {"service.name": "shop-agent", "service.version": "1.4.2", "host.name": "build-7"},
                "scope": "opentelemetry.instrumentation.openai_v2@2.1b0",
                "dialect": "genai",
                "mapping": 2,
            },
            name="shop-agent",
            run_id=None,
            trace_id=None,
            actor=None,
            source="shop-agent",
        ),
        run_required=False,
    ),
)
