"""A row for each label, with what stands above it: dogs are found though no label is called so. Rules for reading."""

from __future__ import annotations

from alembic import op

from actions.store.migrations import run_statements
from actions.store.migrations.vocabulary import read_vocabulary

revision = "0011"
down_revision = "0010"

ADD = "INSERT INTO vocabulary (class_name, place, ancestors) VALUES (%s, %s, %s)"


def upgrade() -> None:
    run_statements(__file__)
    words = [(word.class_name, word.place, list(word.ancestors)) for word in read_vocabulary()]
    op.get_bind().exec_driver_sql(ADD, words)
