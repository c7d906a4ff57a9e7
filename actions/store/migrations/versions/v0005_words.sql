-- `store` locks `models` before `inbox`: in the same order, so that neither waits for the other.
LOCK TABLE models, inbox IN ACCESS EXCLUSIVE MODE;

-- The views follow by themselves; what is kept as text does not.
ALTER TABLE models RENAME COLUMN in_use TO active;

ALTER TABLE inbox DROP CONSTRAINT inbox_state_check;
UPDATE inbox SET state = 'pending' WHERE state = 'owed';
-- Settled rows keep the reason they last failed for.
UPDATE inbox SET reason = 'object-' || reason WHERE reason IN ('store-unreachable', 'store-refused');
ALTER TABLE inbox
ALTER COLUMN state SET DEFAULT 'pending',
ADD CONSTRAINT inbox_state_check CHECK (state IN ('pending', 'parked', 'settled'));

DROP INDEX inbox_owed;
CREATE INDEX inbox_pending ON inbox (backfill, id DESC) WHERE state = 'pending';

-- State by state: of a state that something equals, but not of one that it does not, Postgres assumes that it is rare
-- as long as it has no statistics (after a restore), and takes the index.
CREATE OR REPLACE VIEW work AS
SELECT bucket, key, state, attempts, next_at, reason, received_at, nullif(version_id, '') AS version_id, kind, lane,
       detail, claim IS NOT NULL AND next_at > now() AS claimed, event_time, id
FROM inbox
WHERE state = 'pending'
UNION ALL
SELECT bucket, key, state, attempts, next_at, reason, received_at, nullif(version_id, '') AS version_id, kind, lane,
       detail, claim IS NOT NULL AND next_at > now() AS claimed, event_time, id
FROM inbox
WHERE state = 'parked';

CREATE FUNCTION classified_by_all_models(object objects) RETURNS boolean STABLE LANGUAGE sql AS $function$
    -- Counted rather than looked for: a join could be planned to read all outcomes there are.
    SELECT (SELECT count(*) FROM models WHERE active) = (
        SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.active
        WHERE outcomes.object_id = object.id AND outcomes.etag = object.etag
          AND (outcomes.status = 'deleted') = (object.finality > 0)
    )
$function$;
COMMENT ON FUNCTION classified_by_all_models IS
'Whether each active model has an outcome about what the object is now.';

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
        NEW.state := 'pending';
        PERFORM pg_notify('pixwhisk_inbox', '');
    END IF;
    RETURN NEW;
END $function$;

-- After `inbox_read`, which settles what any model has an outcome about: triggers run in the order of their names.
CREATE OR REPLACE FUNCTION inbox_reopen() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = NEW.bucket AND objects.key = NEW.key AND objects.version_id = NEW.version_id
          AND NOT classified_by_all_models(objects)
    ) THEN
        NEW.state := 'pending';
        NEW.settled_at := NULL;
        PERFORM pg_notify('pixwhisk_inbox', '');
    END IF;
    RETURN NEW;
END $function$;

DROP FUNCTION all_models_spoke(objects);
