"""Files of reports translated without a server."""
