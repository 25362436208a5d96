"""MCP servers: connected for as long as the bridge runs, their tools beside those of the folder."""
