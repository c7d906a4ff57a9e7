"""The tables that `store` writes, and the journal that MinIO writes. The migrations make them; a test holds both equal.

    objects 1 ──── n outcomes n ──── 1 models        inbox: one row an event, settled by the outcome that covers it
       1 ───────── n embeddings n ── 1 backbones
       1 ───────── n example_labels

What `store` knows of an object version is one row of `objects`. Events of one version are ordered by
(`sequencer`, `finality`); an outcome counts only while its `etag` is the one of its object.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIT, DOUBLE_PRECISION, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# In the order of S3's listings (bytes of UTF-8), whatever the database's own collation: `audit` merges the two.
Exact = Annotated[str, mapped_column(Text(collation="C"))]
# `sha`-like words and texts that are never sorted by.
Word = Annotated[str, mapped_column(Text)]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Large = Annotated[int, mapped_column(BigInteger)]
NumberedRow = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]

EMPTY = text("''")


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that a later migration can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )


class StoredModel(Base):
    """A model that has classified something. `active`: its outcomes are what `current_results` shows."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "digest"),)

    id: Mapped[NumberedRow]
    name: Mapped[Word]
    digest: Mapped[Word]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    active_since: Mapped[Moment] = mapped_column(
        server_default=text("'-infinity'"), comment="what other models answered before is not missing"
    )


class StoredObject(Base):
    """One version of one object (`version_id` empty without versioning), as its latest stored event left it.

    For an image given inline, `bucket` is empty and `key` is `sha256:…`.
    """

    __tablename__ = "objects"
    __table_args__ = (
        UniqueConstraint("bucket", "key", "version_id"),
        CheckConstraint("finality BETWEEN 0 AND 2", name="finality"),
    )

    id: Mapped[NumberedRow]
    bucket: Mapped[Exact]
    key: Mapped[Exact]
    version_id: Mapped[Exact] = mapped_column(server_default=EMPTY)
    sequencer: Mapped[Exact] = mapped_column(server_default=EMPTY)
    finality: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), comment="0 present, 1 a delete marker, 2 removed"
    )
    etag: Mapped[Word] = mapped_column(server_default=EMPTY)
    size: Mapped[Large | None]
    event_time: Mapped[Moment | None]


class StoredOutcome(Base):
    """What one model made of one object version."""

    __tablename__ = "outcomes"
    __table_args__ = (
        CheckConstraint("status IN ('classified', 'rejected', 'deleted')", name="status"),
        Index(None, "stored_at"),
        Index(None, "label", "probability"),
    )

    object_id: Mapped[int] = mapped_column(ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), primary_key=True)
    etag: Mapped[Word] = mapped_column(server_default=EMPTY)
    status: Mapped[Word]
    label: Mapped[Word | None]
    probability: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    labels: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    reason: Mapped[Word | None]
    detail: Mapped[Word | None]
    sha256: Mapped[Word | None]
    format: Mapped[Word | None]
    width: Mapped[Large | None]
    height: Mapped[Large | None]
    receipt: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    stored_at: Mapped[Moment] = mapped_column(server_default=func.now())


class StoredBackbone(Base):
    """The part of a model from pixels to `length` numbers, by its file's digest. Models that share it share them."""

    __tablename__ = "backbones"
    __table_args__ = (UniqueConstraint("id", "length"),)

    id: Mapped[NumberedRow]
    digest: Mapped[Word] = mapped_column(unique=True)
    length: Mapped[int] = mapped_column(comment="of every embedding: one of another length is refused")


class StoredEmbedding(Base):
    """What one backbone made of one object version. It counts only while its `etag` is the one of its object."""

    __tablename__ = "embeddings"
    __table_args__ = (
        ForeignKeyConstraint(["backbone_id", "length"], ["backbones.id", "backbones.length"]),
        CheckConstraint("octet_length(numbers) = length AND length(signature) = length", name="length"),
    )

    object_id: Mapped[int] = mapped_column(ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True)
    backbone_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    length: Mapped[int]
    etag: Mapped[Word] = mapped_column(server_default=EMPTY)
    scale: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    zero_point: Mapped[int] = mapped_column(SmallInteger)
    numbers: Mapped[bytes] = mapped_column(LargeBinary, comment="a byte each; real = (byte - zero_point) x scale")
    signature: Mapped[Any] = mapped_column(BIT(varying=True))


class StoredClassWord(Base):
    """A class of ImageNet and what stands above it in WordNet, for the view `labels`. The migrations fill it."""

    __tablename__ = "vocabulary"
    __table_args__ = (
        UniqueConstraint("class_name", "place", postgresql_nulls_not_distinct=True),
        Index(None, "ancestors", postgresql_using="gin"),
        {"comment": "WordNet 3.0, Copyright 2006 by Princeton University; see NOTICE."},
    )

    id: Mapped[NumberedRow]
    class_name: Mapped[Word]
    place: Mapped[int | None]
    ancestors: Mapped[list[str]] = mapped_column(ARRAY(Text))


class StoredLabelRule(Base):
    """How the view `labels` reads a label, of some objects or of all: without anything being classified again."""

    __tablename__ = "label_rules"
    __table_args__ = (
        UniqueConstraint("label", "bucket", "prefix"),
        CheckConstraint("minimum BETWEEN 0 AND 1", name="minimum"),
        CheckConstraint("rename <> ''", name="rename"),
    )

    id: Mapped[NumberedRow]
    label: Mapped[Word] = mapped_column(comment="a label or what stands above it; empty for every label")
    bucket: Mapped[Word] = mapped_column(server_default=EMPTY, comment="empty for every bucket")
    prefix: Mapped[Word] = mapped_column(server_default=EMPTY)
    minimum: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    hide: Mapped[bool] = mapped_column(server_default=text("false"))
    rename: Mapped[Word | None]


class StoredExample(Base):
    """What somebody says that a picture shows, or does not: heads are taught by it. It counts only while its `etag` is
    the one of its object.
    """

    __tablename__ = "example_labels"
    __table_args__ = (CheckConstraint("label <> ''", name="label"),)

    object_id: Mapped[int] = mapped_column(ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(Text, primary_key=True)
    shows: Mapped[bool] = mapped_column(comment="false: somebody said that the picture does not show it")
    etag: Mapped[Word] = mapped_column(server_default=EMPTY)
    given_by: Mapped[Word]
    given_at: Mapped[Moment] = mapped_column(server_default=func.now())


class StoredAudit(Base):
    """What one audit of a bucket found; `infra.audit.records` keeps it."""

    __tablename__ = "audits"
    __table_args__ = (Index(None, "bucket", "ended_at"),)

    id: Mapped[NumberedRow]
    bucket: Mapped[Exact]
    prefix: Mapped[Word] = mapped_column(server_default=EMPTY)
    suffix: Mapped[Word] = mapped_column(server_default=EMPTY)
    complete: Mapped[bool] = mapped_column(comment="it looked at all that the bucket's subscription tells of")
    began_at: Mapped[Moment]
    ended_at: Mapped[Moment] = mapped_column(server_default=func.now())
    clean: Mapped[bool]
    versions: Mapped[Large]
    rows: Mapped[Large]
    findings: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    unseen: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    repaired: Mapped[Large] = mapped_column(server_default=text("0"))
    subscription: Mapped[Word | None]


class StoredSubscription(Base):
    """Since when a bucket is subscribed as it should be, as far as anybody has looked."""

    __tablename__ = "subscriptions"

    bucket: Mapped[Exact] = mapped_column(primary_key=True)
    document: Mapped[Word]
    since: Mapped[Moment] = mapped_column(
        server_default=func.now(),
        comment="when it was first seen to be as it should be, no fault being seen since",
    )
    seen_at: Mapped[Moment] = mapped_column(server_default=func.now())


class InboxEvent(Base):
    """One event of the journal. MinIO fills the first two columns, a trigger reads the rest out of them.

    `event_data` is text because a rejected insert would block MinIO's queue for ever: whatever cannot be read is parked
    as `bad-event`, with empty columns. `next_at` is when a sweep may next claim it; while claimed, when the lease ends.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'parked', 'settled')", name="state"),
        # Only what is open is indexed by object: the millions of settled rows cost nothing.
        Index("inbox_open", "bucket", "key", "version_id", postgresql_where=text("state <> 'settled'")),
        Index("inbox_pending", "backfill", text("id DESC"), postgresql_where=text("state = 'pending'")),
        Index("inbox_parked", "reason", postgresql_where=text("state = 'parked'")),
        Index("inbox_settled", "received_at", postgresql_where=text("state = 'settled'")),
    )

    event_time: Mapped[Moment | None]
    event_data: Mapped[Word | None]
    id: Mapped[NumberedRow]
    lane: Mapped[Word] = mapped_column(server_default=text("'journal'"))
    backfill: Mapped[bool] = mapped_column(server_default=text("false"))
    kind: Mapped[Word | None]
    bucket: Mapped[Exact | None]
    key: Mapped[Exact | None]
    version_id: Mapped[Exact] = mapped_column(server_default=EMPTY)
    sequencer: Mapped[Exact] = mapped_column(server_default=EMPTY)
    finality: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    etag: Mapped[Word] = mapped_column(server_default=EMPTY)
    state: Mapped[Word] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Moment] = mapped_column(server_default=func.now())
    claim: Mapped[Any | None] = mapped_column(UUID)
    reason: Mapped[Word | None]
    detail: Mapped[Word | None]
    received_at: Mapped[Moment] = mapped_column(server_default=func.now())
    settled_at: Mapped[Moment | None]
    failed_at: Mapped[Moment | None]
    failing_since: Mapped[Moment | None]


class StoredBurst(Base):
    """That a sweep has switched a rule off, and until when that sweep is known to live: then anybody switches it on."""

    __tablename__ = "bursts"

    rule: Mapped[Word] = mapped_column(primary_key=True)
    since: Mapped[Moment] = mapped_column(server_default=func.now())
    holder: Mapped[Any] = mapped_column(UUID)
    until: Mapped[Moment]
