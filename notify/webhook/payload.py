"""The body of a webhook: Alertmanager's, version 4, with ``members`` and ``value`` added.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from collections.abc import Mapping, Sequence
from typing import Any

from notify.notification import Notification, timestamp

_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: how Alertmanager writes "not ended"


def payload(
    notifications: Sequence[Notification], *, receiver: str, external_url: str
) -> dict[str, Any]:
    """The JSON object for alerts that share an ``alertname``; at least one."""
    labels = [each.labels for each in notifications]
    group = {"alertname": labels[0].get("alertname", "")}
    firing = any(each.status == "firing" for each in notifications)
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{group["alertname"]}"}}',
        "truncatedAlerts": 0,  # a long queue makes several requests instead
        "status": "firing" if firing else "resolved",
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": _common(labels),
        "commonAnnotations": _common([each.annotations for each in notifications]),
        "externalURL": external_url,
        "alerts": [_alert(each) for each in notifications],
    }


def _common(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = mappings
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _alert(alert: Notification) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": timestamp(alert.starts_at),
        "endsAt": timestamp(alert.ends_at) if alert.ends_at else _NEVER,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
        "value": alert.value,
        "members": [
            {
                "workflow": member.workflow,
                "environment": member.environment,
                "instance_id": member.instance_id,
                "since": timestamp(member.since),
                "detail": member.detail,
                "url": member.url,
            }
            for member in alert.members
        ],
        "membersTotal": alert.total,
    }
