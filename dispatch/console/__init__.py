"""The reviewers' web console."""

from dispatch.console.services import Services
from dispatch.console.serving import ConsoleConfig, serve_console
from dispatch.console.sessions import Sessions

__all__ = ["ConsoleConfig", "Services", "Sessions", "serve_console"]
