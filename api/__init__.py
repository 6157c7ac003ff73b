"""The JSON API and the pages."""

from api.app import create_app
from api.events import end_streams
from api.ports import Ports
from api.settings import ApiSettings

__all__ = ["ApiSettings", "Ports", "create_app", "end_streams"]
