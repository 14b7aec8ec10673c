"""From a cell to a lock, by uv and with the index the client is configured with."""
