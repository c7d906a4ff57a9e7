CREATE TABLE inbox (
    event_time timestamptz,
    event_data text,
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT inbox_pkey PRIMARY KEY,
    lane text NOT NULL DEFAULT 'journal',
    backfill boolean NOT NULL DEFAULT false,
    kind text,
    bucket text COLLATE "C",
    key text COLLATE "C",
    version_id text COLLATE "C" NOT NULL DEFAULT '',
    sequencer text COLLATE "C" NOT NULL DEFAULT '',
    finality smallint NOT NULL DEFAULT 0,
    etag text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'owed' CONSTRAINT inbox_state_check CHECK (state IN ('owed', 'parked', 'settled')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    claim uuid,
    reason text,
    detail text,
    received_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    failed_at timestamptz
);
CREATE INDEX inbox_open ON inbox (bucket, key, version_id) WHERE state <> 'settled';
CREATE INDEX inbox_owed ON inbox (backfill, id DESC) WHERE state = 'owed';
CREATE INDEX inbox_parked ON inbox (reason) WHERE state = 'parked';
CREATE INDEX inbox_settled ON inbox (received_at) WHERE state = 'settled';

-- Its owner sees all; who else sees rows is said with the grants (`infra.database.migrations`). For a role not named
-- there, `SELECT 1 FROM inbox` is planned as nothing at all.
ALTER TABLE inbox ENABLE ROW LEVEL SECURITY;

CREATE VIEW work AS
SELECT bucket, key, state, attempts, next_at, reason, received_at, nullif(version_id, '') AS version_id, kind, lane,
       detail, claim IS NOT NULL AND next_at > now() AS claimed, event_time, id
FROM inbox
WHERE state <> 'settled';

-- The same reading as `actions.events.parse_record`; a test feeds both the same events.
CREATE FUNCTION inbox_record(event_data text) RETURNS json IMMUTABLE LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RETURN event_data::json -> 'Records';
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    -- A NUL or half a surrogate pair in somebody's metadata: legal JSON, but no text for Postgres.
    RETURN regexp_replace(event_data, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json -> 'Records';
END $function$;

CREATE FUNCTION inbox_text(document json, field text) RETURNS text IMMUTABLE LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF json_typeof(document -> field) = 'string' THEN
        RETURN document ->> field;
    ELSIF coalesce(json_typeof(document -> field), 'null') <> 'null' THEN
        RAISE EXCEPTION '%: expected text', field;
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION inbox_unescaped(escaped text) RETURNS text IMMUTABLE LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF strpos(escaped, '%') = 0 THEN
        RETURN replace(escaped, '+', ' ');
    END IF;
    RETURN convert_from(string_agg(
        CASE WHEN part[1] ~ '^%[0-9A-Fa-f]{2}' THEN decode(replace(part[1], '%', ''), 'hex')
             ELSE convert_to(replace(part[1], '+', ' '), 'UTF8') END,
        '\x'::bytea ORDER BY number), 'UTF8')
    FROM regexp_matches(escaped, '(?:%[0-9A-Fa-f]{2})+|[^%]+|%', 'g') WITH ORDINALITY AS found(part, number);
END $function$;

-- Whether two delete-marker events of one version are its creation and its removal: MinIO names both alike where the
-- removal is a DELETE of that one version, in either order of arrival. Closer than 1 ms they are the same:
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

CREATE FUNCTION inbox_read() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
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

CREATE TRIGGER inbox_read BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION inbox_read();

CREATE FUNCTION prune_inbox(older_than interval, at_most integer DEFAULT 10000) RETURNS bigint LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $function$
    WITH old AS (
        SELECT id FROM inbox
        WHERE state = 'settled' AND received_at < now() - older_than
        ORDER BY received_at LIMIT at_most FOR UPDATE SKIP LOCKED
    ), pruned AS (
        DELETE FROM inbox USING old WHERE inbox.id = old.id RETURNING inbox.id
    )
    SELECT count(*) FROM pruned
$function$;
COMMENT ON FUNCTION prune_inbox IS 'Deletes settled rows received longer ago than that, a bounded number a call.';
