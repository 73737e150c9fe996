-- 0017
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
--
CREATE TABLE run_events (
	id INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	type TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	run_id TEXT, 
	project TEXT NOT NULL, 
	name TEXT, 
	level TEXT NOT NULL, 
	source TEXT, 
	actor TEXT, 
	trace_id TEXT, 
	span_id TEXT, 
	parent_span_id TEXT, 
	task_id TEXT, 
	correlation_id TEXT, 
	status TEXT, 
	duration_ns INTEGER, 
	producer_id TEXT, 
	seq INTEGER, 
	flags INTEGER NOT NULL, 
	received_at INTEGER NOT NULL, 
	payload_bytes INTEGER NOT NULL, 
	payload_digest BLOB NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE event_payloads (
	id INTEGER NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE journal_head (
	one INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE spool_positions (
	segment TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	updated_at INTEGER NOT NULL, 
	PRIMARY KEY (segment)
)
 STRICT


--
CREATE TABLE runs (
	run_id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT, 
	status TEXT NOT NULL, 
	actor TEXT, 
	source TEXT, 
	task_id TEXT, 
	trace_id TEXT, 
	started_at INTEGER NOT NULL, 
	origin_rank INTEGER NOT NULL, 
	origin_event_id TEXT NOT NULL, 
	finished_at INTEGER, 
	duration_ns INTEGER, 
	finish_event_id TEXT, 
	last_event_at INTEGER NOT NULL, 
	last_event_id INTEGER NOT NULL, 
	event_count INTEGER NOT NULL, 
	error_count INTEGER NOT NULL, 
	lost_count INTEGER NOT NULL, 
	tokens_input INTEGER NOT NULL, 
	tokens_output INTEGER NOT NULL, 
	tokens_cached_input INTEGER NOT NULL, 
	tokens_reasoning INTEGER NOT NULL, 
	cost_nano_usd INTEGER NOT NULL, 
	counts TEXT NOT NULL, 
	models TEXT NOT NULL, finish_rank INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (run_id)
)
 STRICT


--
CREATE TABLE saved_views (
	view_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	page TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (view_id)
)
 STRICT


--
CREATE TABLE search_range (
	one INTEGER NOT NULL, 
	first_id INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE generations (
	id INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	answer_id INTEGER, 
	request_id INTEGER, 
	run_id TEXT, 
	project TEXT NOT NULL, 
	trace_id TEXT, 
	span_id TEXT, 
	parent_span_id TEXT, 
	task_id TEXT, 
	actor TEXT, 
	source TEXT, 
	name TEXT, 
	started_at INTEGER NOT NULL, 
	ended_at INTEGER, 
	duration_ns INTEGER, 
	time_to_first_chunk_ns INTEGER, 
	provider TEXT, 
	model TEXT, 
	request_model TEXT, 
	operation TEXT, 
	status TEXT NOT NULL, 
	error_kind TEXT, 
	finish_reason TEXT, 
	streamed INTEGER, 
	tokens_input INTEGER, 
	tokens_output INTEGER, 
	tokens_cached_input INTEGER, 
	tokens_cache_write INTEGER, 
	tokens_reasoning INTEGER, 
	cost_nano_usd INTEGER, 
	cost_source TEXT, 
	price_id TEXT, 
	input_preview TEXT, 
	output_preview TEXT, covered INTEGER, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE projections (
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	until_id INTEGER NOT NULL, 
	PRIMARY KEY (name)
)
 STRICT


--
CREATE TABLE feedback (
	feedback_id TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	id INTEGER NOT NULL, 
	target_id TEXT NOT NULL, 
	target_type TEXT, 
	status TEXT NOT NULL, 
	generation_id TEXT, 
	run_id TEXT, 
	span_id TEXT, 
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT, 
	value_number REAL, 
	value_text TEXT, 
	comment TEXT, 
	given_by TEXT, 
	actor TEXT, 
	source TEXT, 
	"key" TEXT, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (feedback_id), 
	FOREIGN KEY(generation_id) REFERENCES generations (generation_id) DEFERRABLE INITIALLY DEFERRED
)
 STRICT


--
CREATE TABLE feedback_events (
	id INTEGER NOT NULL, 
	feedback_id TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE seal_state (
	one INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	sealed_at INTEGER NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE seal_salts (
	id INTEGER NOT NULL, 
	salt BLOB NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE audits (
	id INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	run_id TEXT, 
	task_id TEXT, 
	type TEXT NOT NULL, 
	level TEXT NOT NULL, 
	subject_type TEXT, 
	subject_id TEXT, 
	actor TEXT, 
	source TEXT, 
	operation TEXT, 
	status TEXT, 
	capability TEXT, 
	decision TEXT, 
	rule TEXT, 
	approver TEXT, 
	reason TEXT, 
	expires_at INTEGER, 
	action_digest TEXT, 
	correlation_id TEXT, 
	orphan TEXT NOT NULL, 
	run_missing INTEGER NOT NULL, 
	task_missing INTEGER NOT NULL, 
	adopted_at INTEGER, 
	adopted_by INTEGER, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE unmapped_attributes (
	scope TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	count INTEGER NOT NULL, 
	first_at INTEGER NOT NULL, 
	last_at INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	PRIMARY KEY (scope, "key")
)
 STRICT


--
CREATE TABLE erased_payloads (
	id INTEGER NOT NULL, 
	erasure_id INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE span_places (
	span_id TEXT NOT NULL, 
	id INTEGER NOT NULL, 
	PRIMARY KEY (span_id, id)
)
 WITHOUT ROWID,
 STRICT


--
CREATE TABLE span_range (
	one INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE journal_changes (
	one INTEGER NOT NULL, 
	changes INTEGER NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE archive_state (
	one INTEGER NOT NULL, 
	archived_until INTEGER NOT NULL, 
	dropped_until INTEGER NOT NULL, 
	created_at_max INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	last_file_id INTEGER NOT NULL, 
	archived_at INTEGER NOT NULL, 
	store_id TEXT NOT NULL, 
	PRIMARY KEY (one)
)
 STRICT


--
CREATE TABLE archive_files (
	file_id INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	project TEXT NOT NULL, 
	date TEXT NOT NULL, 
	first_id INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	events INTEGER NOT NULL, 
	bytes INTEGER NOT NULL, 
	payload_bytes INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	schema_version INTEGER NOT NULL, 
	created_at_min INTEGER NOT NULL, 
	created_at_max INTEGER NOT NULL, 
	received_at_min INTEGER NOT NULL, 
	received_at_max INTEGER NOT NULL, 
	run_count INTEGER NOT NULL, 
	types TEXT NOT NULL, 
	levels TEXT NOT NULL, 
	key_parts TEXT NOT NULL, 
	stale INTEGER NOT NULL, 
	written_at INTEGER NOT NULL, 
	PRIMARY KEY (file_id)
)
 STRICT


--
CREATE TABLE archive_keys (
	file_id INTEGER NOT NULL, 
	"column" TEXT NOT NULL, 
	part INTEGER NOT NULL, 
	bits BLOB NOT NULL, 
	PRIMARY KEY (file_id, "column", part)
)
 WITHOUT ROWID,
 STRICT


--
CREATE TABLE archive_gone (
	path TEXT NOT NULL, 
	since INTEGER NOT NULL, 
	PRIMARY KEY (path)
)
 STRICT


--
CREATE TABLE removals (
	removal_id INTEGER NOT NULL, 
	removed_at INTEGER NOT NULL, 
	first_id INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	events INTEGER NOT NULL, 
	ranges BLOB NOT NULL, 
	PRIMARY KEY (removal_id)
)
 STRICT


--
CREATE TABLE retention_holds (
	hold_id TEXT NOT NULL, 
	selection TEXT NOT NULL, 
	filter TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	placed_at INTEGER NOT NULL, 
	placed_id INTEGER NOT NULL, 
	released_at INTEGER, 
	released_by TEXT, 
	release_reason TEXT, 
	released_id INTEGER, 
	PRIMARY KEY (hold_id)
)
 STRICT


--
CREATE TABLE tasks (
	task_id TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	queue TEXT NOT NULL, 
	project TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	attempt_no INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	deaths INTEGER NOT NULL, 
	round_no INTEGER NOT NULL, 
	priority INTEGER NOT NULL, 
	units INTEGER NOT NULL, 
	input TEXT NOT NULL, 
	results TEXT NOT NULL, 
	progress INTEGER NOT NULL, 
	result TEXT, 
	result_until INTEGER, 
	error TEXT, 
	reason TEXT, 
	deadline_at INTEGER, 
	created_at INTEGER NOT NULL, 
	updated_at INTEGER NOT NULL, 
	finished_at INTEGER, worker_id TEXT, began_at INTEGER, 
	PRIMARY KEY (task_id)
)
 STRICT


--
CREATE TABLE idempotency_keys (
	user_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	route TEXT NOT NULL, 
	body_digest TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	expires_at INTEGER NOT NULL, 
	PRIMARY KEY (user_id, "key")
)
 STRICT


--
CREATE TABLE task_action_idempotency (
	user_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	action TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	expires_at INTEGER NOT NULL, 
	PRIMARY KEY (user_id, "key")
)
 STRICT


--
CREATE TABLE outbox_events (
	id INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	status TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	available_at INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	published_at INTEGER, 
	error TEXT, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE usage_ledger (
	id INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	source TEXT NOT NULL, 
	units INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT


--
CREATE TABLE usage_accounts (
	user_id TEXT NOT NULL, 
	units_max INTEGER, 
	held INTEGER NOT NULL, 
	committed INTEGER NOT NULL, 
	PRIMARY KEY (user_id), 
	CONSTRAINT usage_accounts_no_debt CHECK (held >= 0 AND committed >= 0), 
	CONSTRAINT usage_accounts_in_bounds CHECK (units_max IS NULL OR held + committed <= units_max)
)
 STRICT


--
CREATE TABLE queue_jobs (
	job_id TEXT NOT NULL, 
	queue TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	attempt_no INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	turn INTEGER NOT NULL, 
	worker_id TEXT, 
	submitted_at INTEGER NOT NULL, 
	claimed_at INTEGER, 
	PRIMARY KEY (job_id)
)
 STRICT


--
CREATE TABLE queue_turns (
	queue TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	turn INTEGER NOT NULL, 
	PRIMARY KEY (queue, user_id)
)
 STRICT


--
CREATE TABLE workers (
	worker_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	queues TEXT NOT NULL, 
	concurrency INTEGER NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	version TEXT NOT NULL, 
	state TEXT NOT NULL, 
	started_at INTEGER NOT NULL, 
	seen_at INTEGER NOT NULL, 
	PRIMARY KEY (worker_id)
)
 STRICT


--
CREATE TABLE leases (
	name TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	until INTEGER NOT NULL, 
	PRIMARY KEY (name)
)
 STRICT


--
CREATE TABLE dead_letters (
	letter_id TEXT NOT NULL, 
	source TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	event_id TEXT, 
	topic TEXT, 
	round_no INTEGER NOT NULL, 
	pipeline TEXT, 
	queue TEXT, 
	state TEXT, 
	user_id TEXT, 
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	message TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	deaths INTEGER NOT NULL, 
	worker_id TEXT, 
	input_digest TEXT, 
	failed_at INTEGER NOT NULL, 
	replay_of TEXT, 
	replays INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	changed_at INTEGER NOT NULL, 
	plan_id TEXT, 
	PRIMARY KEY (letter_id)
)
 STRICT


--
CREATE TABLE replay_plans (
	plan_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	filter TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	letters INTEGER NOT NULL, 
	concurrency INTEGER NOT NULL, 
	is_high INTEGER NOT NULL, 
	delete_after_replay INTEGER NOT NULL, 
	stop_failures_ratio REAL NOT NULL, 
	warnings TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	created_by TEXT NOT NULL, 
	applied_at INTEGER, 
	applied_by TEXT, 
	reason TEXT, 
	stage_at INTEGER, 
	finished_at INTEGER, 
	because TEXT, 
	holder TEXT, 
	held_until INTEGER, 
	PRIMARY KEY (plan_id)
)
 STRICT


--
CREATE TABLE replay_items (
	plan_id TEXT NOT NULL, 
	letter_no INTEGER NOT NULL, 
	letter_id TEXT NOT NULL, 
	task_id TEXT NOT NULL, 
	event_id TEXT, 
	round_no INTEGER NOT NULL, 
	replays INTEGER NOT NULL, 
	expected TEXT NOT NULL, 
	stage TEXT, 
	outcome TEXT, 
	detail TEXT, 
	replayed_at INTEGER, 
	next_round_no INTEGER, 
	ended TEXT, 
	ended_at INTEGER, 
	PRIMARY KEY (plan_id, letter_no)
)
 STRICT


--
CREATE TABLE dead_letter_alerts (
	name TEXT NOT NULL, 
	raised INTEGER NOT NULL, 
	value REAL NOT NULL, 
	changed_at INTEGER NOT NULL, 
	PRIMARY KEY (name)
)
 STRICT


--
INSERT INTO alembic_version VALUES ('0017')
--
INSERT INTO journal_head VALUES (1, 0)
--
INSERT INTO projections VALUES ('generations', 0, 0)
--
INSERT INTO projections VALUES ('feedback', 0, 0)
--
INSERT INTO projections VALUES ('audits', 0, 0)
--
INSERT INTO span_range VALUES (1, 0)
--
INSERT INTO journal_changes VALUES (1, 0)
--
INSERT INTO archive_state VALUES (1, 0, 0, 0, 0, 0, 0, '')
--
CREATE UNIQUE INDEX run_events_event_id ON run_events (event_id)
--
CREATE INDEX run_events_run ON run_events (run_id, id) WHERE run_id IS NOT NULL
--
CREATE INDEX run_events_run_type ON run_events (run_id, type, id) WHERE run_id IS NOT NULL
--
CREATE INDEX run_events_task ON run_events (task_id, id) WHERE task_id IS NOT NULL
--
CREATE INDEX run_events_correlation ON run_events (correlation_id, id) WHERE correlation_id IS NOT NULL
--
CREATE INDEX run_events_created_at ON run_events (created_at, id)
--
CREATE INDEX run_events_type ON run_events (type, id)
--
CREATE INDEX run_events_actor ON run_events (actor, id) WHERE actor IS NOT NULL
--
CREATE INDEX run_events_level ON run_events (level, id) WHERE level IN ('warn', 'error')
--
CREATE INDEX runs_started_at ON runs (started_at, run_id)
--
CREATE INDEX runs_project ON runs (project, started_at, run_id)
--
CREATE INDEX runs_status ON runs (status, started_at, run_id)
--
CREATE INDEX runs_actor ON runs (actor, started_at, run_id) WHERE actor IS NOT NULL
--
CREATE INDEX runs_task_id ON runs (task_id, started_at, run_id) WHERE task_id IS NOT NULL
--
CREATE INDEX runs_trace_id ON runs (trace_id, started_at, run_id) WHERE trace_id IS NOT NULL
--
CREATE UNIQUE INDEX saved_views_name ON saved_views (page, name)
--
CREATE UNIQUE INDEX generations_generation_id ON generations (generation_id)
--
CREATE INDEX generations_started_at ON generations (started_at, id)
--
CREATE INDEX generations_model ON generations (model, started_at, id)
--
CREATE INDEX generations_run ON generations (run_id, started_at, id) WHERE run_id IS NOT NULL
--
CREATE INDEX generations_trace ON generations (trace_id, started_at, id) WHERE trace_id <> coalesce(run_id, '')
--
CREATE INDEX generations_task ON generations (task_id, started_at, id) WHERE task_id IS NOT NULL
--
CREATE INDEX generations_not_ok ON generations (status, started_at, id) WHERE status <> 'ok'
--
CREATE INDEX feedback_created_at ON feedback (created_at, feedback_id)
--
CREATE INDEX feedback_target ON feedback (target_id)
--
CREATE INDEX feedback_generation_id ON feedback (generation_id) WHERE generation_id IS NOT NULL
--
CREATE INDEX feedback_run_id ON feedback (run_id) WHERE run_id IS NOT NULL
--
CREATE INDEX feedback_span_id ON feedback (span_id) WHERE span_id IS NOT NULL
--
CREATE INDEX feedback_pending ON feedback (target_id) WHERE status = 'pending'
--
CREATE INDEX feedback_events_feedback ON feedback_events (feedback_id, id)
--
CREATE VIEW trace_feedback AS
SELECT generations.*, feedback.feedback_id, feedback.kind AS feedback_kind, feedback.name AS feedback_name,
    feedback.value_number, feedback.value_text, feedback.comment, feedback.given_by,
    feedback.actor AS feedback_actor, feedback.created_at AS feedback_created_at
FROM generations LEFT JOIN feedback ON feedback.generation_id = generations.generation_id
--
CREATE INDEX audits_created_at ON audits (created_at, id)
--
CREATE INDEX audits_operation ON audits (operation, created_at, id)
--
CREATE INDEX audits_run_id ON audits (run_id, created_at, id) WHERE run_id IS NOT NULL
--
CREATE INDEX audits_task_id ON audits (task_id, created_at, id) WHERE task_id IS NOT NULL
--
CREATE INDEX audits_actor ON audits (actor, created_at, id) WHERE actor IS NOT NULL
--
CREATE INDEX audits_subject_id ON audits (subject_id, created_at, id) WHERE subject_id IS NOT NULL
--
CREATE INDEX audits_capability ON audits (capability, created_at, id) WHERE capability IS NOT NULL
--
CREATE INDEX audits_correlation_id ON audits (correlation_id, created_at, id) WHERE correlation_id IS NOT NULL
--
CREATE INDEX audits_run_missing ON audits (run_id) WHERE run_missing = 1
--
CREATE INDEX audits_task_missing ON audits (task_id) WHERE task_missing = 1
--
CREATE INDEX audits_orphaned ON audits (created_at, id) WHERE orphan = 'orphaned'
--
CREATE INDEX run_events_trace ON run_events (trace_id, id) WHERE trace_id <> coalesce(run_id, '')
--
CREATE UNIQUE INDEX archive_files_path ON archive_files (path)
--
CREATE INDEX archive_files_project ON archive_files (project, date)
--
CREATE INDEX archive_files_last_id ON archive_files (last_id)
--
CREATE INDEX generations_answer ON generations (answer_id) WHERE answer_id IS NOT NULL
--
CREATE INDEX removals_last_id ON removals (last_id)
--
CREATE INDEX retention_holds_standing ON retention_holds (placed_at) WHERE released_at IS NULL
--
CREATE VIEW generation_traces AS SELECT * FROM generations
--
CREATE INDEX generations_enclosing ON generations (span_id) WHERE request_id IS NOT NULL AND span_id IS NOT NULL
--
CREATE INDEX tasks_created_at ON tasks (created_at, task_id)
--
CREATE INDEX tasks_user ON tasks (user_id, created_at, task_id)
--
CREATE INDEX tasks_state ON tasks (state, created_at, task_id)
--
CREATE INDEX tasks_deadline ON tasks (deadline_at) WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELED')
--
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at)
--
CREATE INDEX task_action_idempotency_expires_at ON task_action_idempotency (expires_at)
--
CREATE UNIQUE INDEX outbox_events_event_id ON outbox_events (event_id)
--
CREATE INDEX outbox_events_pending ON outbox_events (available_at, id) WHERE status = 'PENDING'
--
CREATE INDEX outbox_events_task ON outbox_events (task_id, id)
--
CREATE UNIQUE INDEX usage_ledger_once ON usage_ledger (user_id, task_id, status, source)
--
CREATE INDEX usage_ledger_task ON usage_ledger (task_id, id)
--
CREATE INDEX tasks_worker ON tasks (worker_id) WHERE worker_id IS NOT NULL
--
CREATE INDEX tasks_result_until ON tasks (result_until) WHERE result_until IS NOT NULL
--
CREATE INDEX outbox_events_dead ON outbox_events (id) WHERE status = 'DEAD'
--
CREATE INDEX queue_jobs_waiting ON queue_jobs (queue, priority DESC, turn, job_id) WHERE worker_id IS NULL
--
CREATE INDEX queue_jobs_worker ON queue_jobs (worker_id) WHERE worker_id IS NOT NULL
--
CREATE INDEX workers_state ON workers (state, seen_at)
--
CREATE INDEX dead_letters_failed_at ON dead_letters (failed_at, letter_id)
--
CREATE INDEX dead_letters_open ON dead_letters (failed_at) WHERE status = 'OPEN'
--
CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint, failed_at)
--
CREATE INDEX dead_letters_task ON dead_letters (task_id, round_no)
--
CREATE INDEX replay_plans_created_at ON replay_plans (created_at, plan_id)
--
CREATE INDEX replay_plans_running ON replay_plans (applied_at) WHERE state IN ('CANARY_1', 'CANARY_10', 'REST')
--
CREATE INDEX replay_items_letter ON replay_items (letter_id)
--
CREATE INDEX replay_items_waiting ON replay_items (plan_id, letter_no) WHERE outcome IS NULL
--
CREATE INDEX replay_items_replayed ON replay_items (plan_id, stage, ended, replayed_at, ended_at) WHERE outcome = 'replayed'
--
CREATE INDEX replay_items_under_way ON replay_items (task_id) WHERE outcome = 'replayed' AND ended IS NULL
--
CREATE INDEX tasks_succeeded ON tasks (state, finished_at) WHERE state = 'SUCCEEDED'
--
