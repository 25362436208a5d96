"""Where Alembic begins. `bridge.store.migrating` hands it a connection in a transaction."""

from alembic import context

from bridge.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
