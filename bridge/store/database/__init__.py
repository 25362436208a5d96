"""The record's database: its tables, its transactions, SQLite and PostgreSQL."""
