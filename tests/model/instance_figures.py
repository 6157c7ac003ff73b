"""Where one instance has been, and how its runs ended (docs/figures.md, 4)."""

from tests.model.question import Question, Row, instant, seconds


def instance_visits(asked: Question, *, instance_id: str, flushed: int) -> list[Row]:
    return [
        {
            "environment": each.instance.environment,
            "run": visit.run,
            "visit": visit.number,
            "state": visit.state,
            "status": visit.status,
            "terminal": visit.terminal,
            "entered_at": instant(visit.entered_at),
            "exited_at": instant(visit.exited_at),
            "dwell": seconds(
                (flushed if visit.exited_at is None else visit.exited_at) - visit.entered_at
            ),
            "link": visit.link,
            "action": visit.event.action if visit.number else "",
            "event_id": visit.event.event_id,
            "workflow_version": visit.event.workflow_version,
            "limit_seconds": visit.limit,
            "declared": asked.judge.declared(visit.event) if visit.number else None,
        }
        for each in asked.lives(probes=True)
        if each.instance.instance_id == instance_id
        for visit in each.visits
    ]


def instance_runs(asked: Question, *, instance_id: str, flushed: int) -> list[Row]:
    return [
        {
            "environment": each.instance.environment,
            "run": run.number,
            "started_at": instant(run.started_at),
            "start_unseen": run.start_unseen,
            "ended_at": instant(run.ended_at),
            "ended_how": run.ended_how,
            "state": run.last.state,
            "status": run.last.status,
            "visible_at": instant(run.visible_at),
            "completed_at": instant(run.completed_at),
        }
        for each in asked.lives(probes=True)
        if each.instance.instance_id == instance_id
        for run in each.runs
    ]
