"""One alert as ``POST /api/v2/alerts`` takes it: labels and annotations are texts, nothing else."""

from datetime import datetime, timedelta
from typing import Any, Final

from notify.notification import Notification, timestamp

LISTED: Final = 10  # members in the annotation


def alert_body(alert: Notification, now: datetime, valid_for: float) -> dict[str, Any]:
    """The JSON object. A firing alert ends in ``valid_for`` seconds unless it is sent again."""
    annotations = dict(alert.annotations)
    if alert.members:
        annotations["members"] = _members(alert)
    ends_at = alert.ends_at if alert.status == "resolved" else None
    body: dict[str, Any] = {
        "labels": {name: value for name, value in alert.labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": timestamp(alert.starts_at),
        "endsAt": timestamp(ends_at or now + timedelta(seconds=valid_for)),
    }
    if alert.generator_url:
        body["generatorURL"] = alert.generator_url
    return body


def _members(alert: Notification) -> str:
    lines = [
        " ".join(
            filter(
                None,
                (
                    member.instance_id,
                    f"since {timestamp(member.since)}",
                    f"({member.detail})" if member.detail else "",
                    member.url,
                ),
            )
        )
        for member in alert.members[:LISTED]
    ]
    more = max(alert.total, len(alert.members)) - len(lines)
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)
