"""The gRPC server: its lifecycle, its services, what it checks and what it says when something is wrong."""

from dispatch.server.lifecycle import ConnectionConfig, DispatchServer, ServerConfig, serve

__all__ = ["ConnectionConfig", "DispatchServer", "ServerConfig", "serve"]
