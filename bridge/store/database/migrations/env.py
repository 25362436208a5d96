"""Where Alembic begins. `database.migrating` hands it a connection in a transaction."""

from alembic import context

from bridge.store.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
