"""SQL to begin with."""

from __future__ import annotations

# To begin with: what each is called, and its SQL.
EXAMPLES: tuple[tuple[str, str], ...] = (
    (
        "Cost and tokens by model and day",
        (
            "SELECT date_trunc('day', started_at) AS day, model, count(*) AS calls,\n"
            "       sum(tokens_input) AS input, sum(tokens_output) AS output, round(sum(cost_usd), 4) AS usd\n"
            "FROM generations\nWHERE NOT covered\nGROUP BY ALL\nORDER BY day DESC, usd DESC"
        ),
    ),
    (
        "Slowest tools, 95th percentile",
        (
            "SELECT tool, count(*) AS calls, round(quantile_cont(duration_ms, 0.95)) AS p95_ms,\n"
            "       count(*) FILTER (status = 'error') AS failed\n"
            "FROM events\nWHERE type = 'tool_result'\nGROUP BY tool\nORDER BY p95_ms DESC"
        ),
    ),
    (
        "Runs that failed in the last day",
        (
            "SELECT run_id, name, started_at, round(duration_ms / 1000, 1) AS seconds, error_count\n"
            "FROM runs\nWHERE status = 'failed' AND started_at > now() - INTERVAL 1 DAY\nORDER BY started_at DESC"
        ),
    ),
    (
        "What is inside payloads",
        (
            "SELECT payload->>'$.text' AS text, count(*) AS times\n"
            "FROM events\nWHERE type = 'note'\nGROUP BY text\nORDER BY times DESC\nLIMIT 20"
        ),
    ),
    (
        "Thumbs by model",
        (
            "SELECT g.model, count(*) FILTER (f.value_number = 1) AS up, count(*) FILTER (f.value_number = 0) AS down\n"
            "FROM feedback f JOIN generations g USING (generation_id)\nWHERE f.kind = 'thumb'\nGROUP BY g.model"
        ),
    ),
    (
        "Permissions that were denied",
        (
            "SELECT created_at, actor, capability, rule, reason\n"
            "FROM audit\nWHERE decision = 'denied'\nORDER BY created_at DESC"
        ),
    ),
    (
        "How long tasks take, by pipeline and end",
        (
            "SELECT pipeline, state, count(*) AS tasks, round(quantile_cont(duration_ms, 0.95)) AS p95_ms,\n"
            "       avg(attempt_no) AS attempts\n"
            "FROM tasks\nWHERE finished_at IS NOT NULL\nGROUP BY ALL\nORDER BY tasks DESC"
        ),
    ),
)
