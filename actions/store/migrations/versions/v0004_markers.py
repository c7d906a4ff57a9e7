"""Tell the removal of a delete marker from its creation.

MinIO calls both `s3:ObjectRemoved:DeleteMarkerCreated`, with the marker's version, when the removal is a DELETE of that
one version. A version is created once, so the second such event with another sequencer is the removal, whichever comes
first; and neither covers the other.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

FUNCTIONS = r"""
-- Whether two delete-marker events of one version are its creation and its removal. Closer than 1 ms they are the same:
-- a listing, from which an audit repairs, knows the time no better.
CREATE FUNCTION marker_ended(
    one_sequencer text, one_finality smallint, other_sequencer text, other_finality smallint, version_id text
) RETURNS boolean IMMUTABLE LANGUAGE sql AS $function$
    SELECT version_id <> '' AND one_finality = 1 AND other_finality = 1
       AND one_sequencer <> '' AND other_sequencer <> ''
       AND abs(('x' || right(one_sequencer, 16))::bit(64)::bigint::numeric
             - ('x' || right(other_sequencer, 16))::bit(64)::bigint::numeric) > 1000000
$function$;

-- Whether the first event of a version, once stored, leaves nothing to do for the other one.
CREATE FUNCTION event_covers(
    sequencer text, finality smallint, other_sequencer text, other_finality smallint, version_id text
) RETURNS boolean IMMUTABLE LANGUAGE sql AS $function$
    SELECT (sequencer COLLATE "C", finality) >= (other_sequencer COLLATE "C", other_finality)
       AND NOT marker_ended(sequencer, finality, other_sequencer, other_finality, version_id)
$function$;

CREATE OR REPLACE FUNCTION inbox_read() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
DECLARE
    records json;
    object json;
    event_name text;
BEGIN
    NEW.backfill := NEW.lane <> 'journal';
    BEGIN
        records := inbox_record(NEW.event_data);
        IF json_typeof(records) IS DISTINCT FROM 'array' OR json_array_length(records) <> 1 THEN
            RAISE EXCEPTION 'Records: expected one';
        END IF;
        event_name := regexp_replace(inbox_text(records -> 0, 'eventName'), '^s3:', '');
        object := records -> 0 -> 's3' -> 'object';
        NEW.kind := CASE
            WHEN event_name ~ '^ObjectCreated:(Put|Post|Copy|CompleteMultipartUpload)$' THEN 'created'
            WHEN event_name = 'ObjectRemoved:DeleteMarkerCreated' THEN 'marker'
            WHEN event_name = 'ObjectRemoved:Delete' THEN 'removed'
            WHEN event_name IS NOT NULL THEN 'ignored' END;
        NEW.finality := CASE NEW.kind WHEN 'removed' THEN 2 WHEN 'marker' THEN 1 ELSE 0 END;
        NEW.bucket := inbox_text(records -> 0 -> 's3' -> 'bucket', 'name');
        NEW.key := inbox_text(object, 'key');
        IF coalesce(records -> 0 ->> 'eventSource', '') NOT LIKE 'ceph:%' THEN
            NEW.key := inbox_unescaped(NEW.key);
        END IF;
        NEW.version_id := coalesce(nullif(inbox_text(object, 'versionId'), 'null'), '');
        NEW.sequencer := coalesce(inbox_text(object, 'sequencer'), '');
        NEW.etag := coalesce(btrim(inbox_text(object, 'eTag'), '"'), '');
        IF NEW.kind IS NULL THEN
            RAISE EXCEPTION 'eventName: expected text';
        ELSIF NEW.bucket IS NULL OR NEW.bucket !~ '^[A-Za-z0-9][A-Za-z0-9.:_-]{0,254}$' THEN
            RAISE EXCEPTION 'bucket: not a bucket''s name';
        ELSIF NEW.key IS NULL OR octet_length(NEW.key) NOT BETWEEN 1 AND 1024 THEN
            RAISE EXCEPTION 'key: expected 1 to 1024 bytes';
        ELSIF NEW.version_id !~ '^[A-Za-z0-9_.-]{0,128}$' THEN
            RAISE EXCEPTION 'versionId: expected letters, digits, ''.'', ''_'' or ''-''';
        ELSIF NEW.sequencer !~ '^[0-9A-Fa-f]{0,32}$' THEN
            RAISE EXCEPTION 'sequencer: expected hexadecimal digits';
        ELSIF length(NEW.etag) > 1024 THEN
            RAISE EXCEPTION 'eTag: too long';
        END IF;
        NEW.sequencer := CASE NEW.sequencer WHEN '' THEN '' ELSE lpad(lower(NEW.sequencer), 32, '0') END;
    EXCEPTION WHEN OTHERS THEN
        NEW.kind := NULL;
        NEW.bucket := NULL;
        NEW.key := NULL;
        NEW.version_id := '';
        NEW.sequencer := '';
        NEW.finality := 0;
        NEW.etag := '';
        NEW.state := 'parked';
        NEW.reason := 'bad-event';
        NEW.detail := left(SQLERRM, 200);
        RETURN NEW;
    END;
    -- A backfill may ask for what has an outcome already, under another model; MinIO's own event does not.
    IF NEW.kind = 'ignored' OR (NEW.lane = 'journal' AND EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = NEW.bucket AND objects.key = NEW.key AND objects.version_id = NEW.version_id
          AND event_covers(objects.sequencer, objects.finality, NEW.sequencer, NEW.finality, NEW.version_id)
    )) THEN
        NEW.state := 'settled';
        NEW.settled_at := now();
    ELSE
        NEW.state := 'owed';
        PERFORM pg_notify('pixwhisk_inbox', '');
    END IF;
    RETURN NEW;
END $function$;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(FUNCTIONS.replace("%", "%%"))
