"""Prometheus's Alertmanager, through its API version 2."""

from notify.alertmanager.alerts import alert_body
from notify.alertmanager.resender import Alertmanager

__all__ = ["Alertmanager", "alert_body"]
