"""Names of the events and attributes that donewatch understands.

The only module that the service shares with applications: it imports nothing.
"""

from typing import Final

TRANSITION: Final = "donewatch.transition"
JOB: Final = "donewatch.job"
OUTBOX: Final = "donewatch.outbox"
VISIBLE: Final = "donewatch.visible"
HEARTBEAT: Final = "donewatch.heartbeat"

EVENT_NAMES: Final = (TRANSITION, JOB, OUTBOX, VISIBLE, HEARTBEAT)

EVENT_ID: Final = "donewatch.event.id"
WORKFLOW_TYPE: Final = "donewatch.workflow.type"
WORKFLOW_VERSION: Final = "donewatch.workflow.version"
INSTANCE_ID: Final = "donewatch.instance.id"
SEQUENCE: Final = "donewatch.sequence"
BUSINESS_KEY: Final = "donewatch.business_key"
ACTOR_TYPE: Final = "donewatch.actor.type"
ACTOR_ID: Final = "donewatch.actor.id"
REASON: Final = "donewatch.reason"

TRANSITION_FROM: Final = "donewatch.transition.from"
TRANSITION_TO: Final = "donewatch.transition.to"
TRANSITION_ACTION: Final = "donewatch.transition.action"
TRANSITION_KEY: Final = "donewatch.transition.key"
TRANSITION_OUTCOME: Final = "donewatch.transition.outcome"
TRANSITION_REJECTION: Final = "donewatch.transition.rejection"
TRANSITION_CLASS: Final = "donewatch.transition.class"
TRANSITION_ENTERED_AT: Final = "donewatch.transition.entered_at"
ERROR_TYPE: Final = "error.type"

JOB_ID: Final = "donewatch.job.id"
JOB_TYPE: Final = "donewatch.job.type"
JOB_QUEUE: Final = "donewatch.job.queue"
JOB_STATE: Final = "donewatch.job.state"
JOB_ATTEMPT: Final = "donewatch.job.attempt"
JOB_MAX_ATTEMPTS: Final = "donewatch.job.max_attempts"
JOB_SCHEDULED_AT: Final = "donewatch.job.scheduled_at"
JOB_EFFECT_KEY: Final = "donewatch.job.effect_key"
JOB_CAUSE_KEY: Final = "donewatch.job.cause_key"
JOB_BASIS_SEQUENCE: Final = "donewatch.job.basis_sequence"

OUTBOX_ID: Final = "donewatch.outbox.id"
OUTBOX_STATE: Final = "donewatch.outbox.state"
OUTBOX_TRANSITION_KEY: Final = "donewatch.outbox.transition_key"

HEARTBEAT_PRODUCER: Final = "donewatch.heartbeat.producer"
HEARTBEAT_EMITTED: Final = "donewatch.heartbeat.emitted"
HEARTBEAT_DROPPED: Final = "donewatch.heartbeat.dropped"

SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
ENVIRONMENT: Final = "deployment.environment.name"

OUTCOMES: Final = ("committed", "rejected", "replayed", "conflict")
REJECTIONS: Final = ("structural", "policy", "stale_version", "frozen")
CLASSES: Final = ("normal", "compensation", "override", "replay")
ACTOR_TYPES: Final = ("user", "system", "operator", "probe")
JOB_STATES: Final = ("enqueued", "started", "succeeded", "failed", "exhausted", "cancelled")
OUTBOX_STATES: Final = ("recorded", "dispatched", "acknowledged", "failed", "discarded")
