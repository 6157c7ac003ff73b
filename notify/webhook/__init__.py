"""A webhook with Alertmanager's payload, version 4."""

from notify.webhook.payload import payload
from notify.webhook.receiver import Webhook

__all__ = ["Webhook", "payload"]
