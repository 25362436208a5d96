"""From the spool into the database."""
