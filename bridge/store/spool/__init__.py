"""The spool: notes on the disk of this machine until they are in the database."""
