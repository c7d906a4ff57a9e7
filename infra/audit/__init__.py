"""Reconciliation: LIST of a bucket against the rows of the database, and what is missing put into the inbox."""
