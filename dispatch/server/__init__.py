"""The gRPC server: its lifecycle, its services, what it checks and what it says when something is wrong."""

from dispatch.server.lifecycle import DispatchServer, ServerConfig, serve

__all__ = ["DispatchServer", "ServerConfig", "serve"]
