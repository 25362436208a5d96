"""Functions as a Millis agent's `tools[]` defines them, used from here as they are."""
