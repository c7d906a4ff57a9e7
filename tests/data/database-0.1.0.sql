-- A results database as release 0.1.0 left it, with an event in every state: pg_dump --no-owner --no-privileges --inserts.

SET check_function_bodies = false;

CREATE TABLE public.objects (
    id bigint NOT NULL,
    bucket text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    version_id text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    sequencer text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    finality smallint DEFAULT 0 NOT NULL,
    etag text DEFAULT ''::text NOT NULL,
    size bigint,
    event_time timestamp with time zone,
    CONSTRAINT objects_finality_check CHECK (((finality >= 0) AND (finality <= 2)))
);

COMMENT ON COLUMN public.objects.finality IS '0 present, 1 a delete marker, 2 removed';

CREATE FUNCTION public.all_models_spoke(object public.objects) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    -- Counted rather than looked for: a join could be planned to read all outcomes there are.
    SELECT (SELECT count(*) FROM models WHERE in_use) = (
        SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.in_use
        WHERE outcomes.object_id = object.id AND outcomes.etag = object.etag
          AND (outcomes.status = 'deleted') = (object.finality > 0)
    )
$$;

COMMENT ON FUNCTION public.all_models_spoke(object public.objects) IS 'Whether each model in use has an outcome about what the object is now.';

CREATE FUNCTION public.event_covers(sequencer text, finality smallint, other_sequencer text, other_finality smallint, version_id text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT (sequencer COLLATE "C", finality) >= (other_sequencer COLLATE "C", other_finality)
       AND NOT marker_ended(sequencer, finality, other_sequencer, other_finality, version_id)
$$;

CREATE FUNCTION public.inbox_read() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $_$
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
END $_$;

CREATE FUNCTION public.inbox_record(event_data text) RETURNS json
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN event_data::json -> 'Records';
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    -- A NUL or half a surrogate pair in somebody's metadata: legal JSON, but no text for Postgres.
    RETURN regexp_replace(event_data, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json -> 'Records';
END $$;

CREATE FUNCTION public.inbox_reopen() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = NEW.bucket AND objects.key = NEW.key AND objects.version_id = NEW.version_id
          AND NOT all_models_spoke(objects)
    ) THEN
        NEW.state := 'owed';
        NEW.settled_at := NULL;
        PERFORM pg_notify('pixwhisk_inbox', '');
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.inbox_text(document json, field text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF json_typeof(document -> field) = 'string' THEN
        RETURN document ->> field;
    ELSIF coalesce(json_typeof(document -> field), 'null') <> 'null' THEN
        RAISE EXCEPTION '%: expected text', field;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.inbox_unescaped(escaped text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF strpos(escaped, '%') = 0 THEN
        RETURN replace(escaped, '+', ' ');
    END IF;
    RETURN convert_from(string_agg(
        CASE WHEN part[1] ~ '^%[0-9A-Fa-f]{2}' THEN decode(replace(part[1], '%', ''), 'hex')
             ELSE convert_to(replace(part[1], '+', ' '), 'UTF8') END,
        '\x'::bytea ORDER BY number), 'UTF8')
    FROM regexp_matches(escaped, '(?:%[0-9A-Fa-f]{2})+|[^%]+|%', 'g') WITH ORDINALITY AS found(part, number);
END $$;

CREATE FUNCTION public.marker_ended(one_sequencer text, one_finality smallint, other_sequencer text, other_finality smallint, version_id text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT version_id <> '' AND one_finality = 1 AND other_finality = 1
       AND one_sequencer <> '' AND other_sequencer <> ''
       AND abs(('x' || right(one_sequencer, 16))::bit(64)::bigint::numeric
             - ('x' || right(other_sequencer, 16))::bit(64)::bigint::numeric) > 1000000
$$;

CREATE FUNCTION public.prune_inbox(older_than interval, at_most integer DEFAULT 10000) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
    WITH pruned AS (
        -- An array rather than a join: a plan for any `at_most` would read the whole table for it.
        DELETE FROM inbox WHERE id = ANY (ARRAY(
            SELECT id FROM inbox
            WHERE state = 'settled' AND received_at < now() - older_than
            ORDER BY received_at LIMIT at_most FOR UPDATE SKIP LOCKED
        )) RETURNING id
    )
    SELECT count(*) FROM pruned
$$;

COMMENT ON FUNCTION public.prune_inbox(older_than interval, at_most integer) IS 'Deletes settled rows received longer ago than that, a bounded number a call.';

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.models (
    id bigint NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    in_use boolean DEFAULT true NOT NULL
);

CREATE TABLE public.outcomes (
    object_id bigint NOT NULL,
    model_id bigint NOT NULL,
    etag text DEFAULT ''::text NOT NULL,
    status text NOT NULL,
    label text,
    probability double precision,
    labels jsonb DEFAULT '[]'::jsonb NOT NULL,
    reason text,
    detail text,
    sha256 text,
    format text,
    width bigint,
    height bigint,
    receipt jsonb DEFAULT '{}'::jsonb NOT NULL,
    stored_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outcomes_status_check CHECK ((status = ANY (ARRAY['classified'::text, 'rejected'::text, 'deleted'::text])))
);

CREATE VIEW public.current_results AS
 SELECT objects.bucket,
    objects.key,
    NULLIF(objects.version_id, ''::text) AS version_id,
    NULLIF(objects.etag, ''::text) AS etag,
    objects.size,
    outcomes.status,
    outcomes.label,
    outcomes.probability,
    outcomes.labels,
    outcomes.reason,
    outcomes.detail,
    models.name AS model,
    models.digest AS model_digest,
    outcomes.sha256,
    outcomes.format,
    outcomes.width,
    outcomes.height,
    objects.event_time,
    outcomes.stored_at,
    outcomes.receipt
   FROM ((public.objects
     JOIN public.outcomes ON (((outcomes.object_id = objects.id) AND (outcomes.etag = objects.etag) AND (outcomes.status <> 'deleted'::text))))
     JOIN public.models ON (((models.id = outcomes.model_id) AND models.in_use)))
  WHERE ((objects.finality = 0) AND (NOT (EXISTS ( SELECT
           FROM public.objects newer
          WHERE ((newer.bucket = objects.bucket) AND (newer.key = objects.key) AND (newer.finality < 2) AND (ROW(newer.sequencer, newer.id) > ROW(objects.sequencer, objects.id)))))));

CREATE TABLE public.inbox (
    event_time timestamp with time zone,
    event_data text,
    id bigint NOT NULL,
    lane text DEFAULT 'journal'::text NOT NULL,
    backfill boolean DEFAULT false NOT NULL,
    kind text,
    bucket text COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    version_id text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    sequencer text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    finality smallint DEFAULT 0 NOT NULL,
    etag text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'owed'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    claim uuid,
    reason text,
    detail text,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    failed_at timestamp with time zone,
    CONSTRAINT inbox_state_check CHECK ((state = ANY (ARRAY['owed'::text, 'parked'::text, 'settled'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='100000', vacuum_index_cleanup='on');

ALTER TABLE public.inbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.inbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.models ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.models_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.objects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.objects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.results AS
 SELECT objects.bucket,
    objects.key,
    NULLIF(objects.version_id, ''::text) AS version_id,
    NULLIF(objects.etag, ''::text) AS etag,
    objects.size,
    outcomes.status,
    outcomes.label,
    outcomes.probability,
    outcomes.labels,
    outcomes.reason,
    outcomes.detail,
    models.name AS model,
    models.digest AS model_digest,
    outcomes.sha256,
    outcomes.format,
    outcomes.width,
    outcomes.height,
    objects.event_time,
    outcomes.stored_at,
    outcomes.receipt
   FROM ((public.objects
     JOIN public.outcomes ON (((outcomes.object_id = objects.id) AND (outcomes.etag = objects.etag) AND ((outcomes.status = 'deleted'::text) = (objects.finality > 0)))))
     JOIN public.models ON ((models.id = outcomes.model_id)));

CREATE VIEW public.work AS
 SELECT inbox.bucket,
    inbox.key,
    inbox.state,
    inbox.attempts,
    inbox.next_at,
    inbox.reason,
    inbox.received_at,
    NULLIF(inbox.version_id, ''::text) AS version_id,
    inbox.kind,
    inbox.lane,
    inbox.detail,
    ((inbox.claim IS NOT NULL) AND (inbox.next_at > now())) AS claimed,
    inbox.event_time,
    inbox.id
   FROM public.inbox
  WHERE (inbox.state = 'owed'::text)
UNION ALL
 SELECT inbox.bucket,
    inbox.key,
    inbox.state,
    inbox.attempts,
    inbox.next_at,
    inbox.reason,
    inbox.received_at,
    NULLIF(inbox.version_id, ''::text) AS version_id,
    inbox.kind,
    inbox.lane,
    inbox.detail,
    ((inbox.claim IS NOT NULL) AND (inbox.next_at > now())) AS claimed,
    inbox.event_time,
    inbox.id
   FROM public.inbox
  WHERE (inbox.state = 'parked'::text);

INSERT INTO public.alembic_version VALUES ('0003');

INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.539636+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "other-model", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 2, 'journal', false, 'created', 'images', 'other-model', '', '00000000000000000000000000000001', 0, 'etag-1', 'owed', 0, '2026-11-25 12:55:42.539636+00', NULL, NULL, NULL, '2026-11-25 12:55:42.539636+00', NULL, NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.532833+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "settled", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 1, 'journal', false, 'created', 'images', 'settled', '', '00000000000000000000000000000001', 0, 'etag-1', 'settled', 0, '2026-11-25 12:55:42.532833+00', NULL, NULL, NULL, '2026-11-25 12:55:42.532833+00', '2026-11-25 12:55:42.54984+00', NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.57186+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "failed", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 3, 'journal', false, 'created', 'images', 'failed', '', '00000000000000000000000000000001', 0, 'etag-1', 'owed', 0, '2026-11-25 12:55:43.984838+00', NULL, 'store-unreachable', 'MinIO did not answer', '2026-11-25 12:55:42.57186+00', NULL, '2026-11-25 12:55:42.57696+00');
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.578111+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "parked", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 4, 'journal', false, 'created', 'images', 'parked', '', '00000000000000000000000000000001', 0, 'etag-1', 'parked', 1, '2026-11-25 12:56:02.578744+00', NULL, 'store-refused', 'denied', '2026-11-25 12:55:42.578111+00', NULL, '2026-11-25 12:55:42.584987+00');
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.585695+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "settled-after-failure", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 5, 'journal', false, 'created', 'images', 'settled-after-failure', '', '00000000000000000000000000000001', 0, 'etag-1', 'settled', 0, '2026-11-25 12:55:43.211821+00', NULL, 'store-unreachable', 'no answer', '2026-11-25 12:55:42.585695+00', '2026-11-25 12:55:42.588799+00', '2026-11-25 12:55:42.587686+00');
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.589869+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "claimed", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 6, 'journal', false, 'created', 'images', 'claimed', '', '00000000000000000000000000000001', 0, 'etag-1', 'owed', 0, '2026-11-25 12:56:02.590481+00', 'c7fddd5b-94ae-4b93-a325-dd51f099be04', NULL, NULL, '2026-11-25 12:55:42.589869+00', NULL, NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.591987+00', 'junk', 7, 'journal', false, NULL, NULL, NULL, '', '', 0, '', 'parked', 0, '2026-11-25 12:55:42.591987+00', NULL, 'bad-event', 'invalid input syntax for type json', '2026-11-25 12:55:42.591987+00', NULL, NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.592481+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "fresh", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 8, 'journal', false, 'created', 'images', 'fresh', '', '00000000000000000000000000000001', 0, 'etag-1', 'owed', 0, '2026-11-25 12:55:42.592481+00', NULL, NULL, NULL, '2026-11-25 12:55:42.592481+00', NULL, NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 11:55:42.592976+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:PutTagging", "s3": {"bucket": {"name": "images"}, "object": {"key": "ignored", "sequencer": "1"}}}]}', 9, 'journal', false, 'ignored', 'images', 'ignored', '', '00000000000000000000000000000001', 0, '', 'settled', 0, '2026-11-25 12:55:42.592976+00', NULL, NULL, NULL, '2026-11-25 12:55:42.592976+00', '2026-11-25 12:55:42.592976+00', NULL);
INSERT INTO public.inbox OVERRIDING SYSTEM VALUE VALUES ('2026-11-25 12:55:42.59487+00', '{"Records": [{"eventVersion": "2.0", "eventSource": "minio:s3", "eventTime": "2026-02-06T01:04:31.998Z", "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "images"}, "object": {"key": "backfilled", "sequencer": "1", "size": 84452, "eTag": "etag-1", "userMetadata": {"content-type": "image/jpeg"}}}}]}', 10, 'backfill', true, 'created', 'images', 'backfilled', '', '00000000000000000000000000000001', 0, 'etag-1', 'owed', 0, '2026-11-25 12:55:42.59487+00', NULL, NULL, NULL, '2026-11-25 12:55:42.59487+00', NULL, NULL);

INSERT INTO public.models OVERRIDING SYSTEM VALUE VALUES (1, 'lite0', 'sha256:aa', true);
INSERT INTO public.models OVERRIDING SYSTEM VALUE VALUES (2, 'other', 'sha256:bb', false);

INSERT INTO public.objects OVERRIDING SYSTEM VALUE VALUES (1, 'images', 'settled', '', '00000000000000000000000000000001', 0, 'etag-1', 84452, '2026-02-06 01:04:31.998+00');
INSERT INTO public.objects OVERRIDING SYSTEM VALUE VALUES (2, 'images', 'other-model', '', '00000000000000000000000000000001', 0, 'etag-1', 84452, '2026-02-06 01:04:31.998+00');
INSERT INTO public.objects OVERRIDING SYSTEM VALUE VALUES (3, 'images', 'settled-after-failure', '', '00000000000000000000000000000001', 0, 'etag-1', 84452, '2026-02-06 01:04:31.998+00');

INSERT INTO public.outcomes VALUES (1, 1, 'etag-1', 'classified', 'tabby', 0.75, '[{"index": 281, "label": "tabby", "className": "tabby, tabby cat", "probability": 0.75}]', NULL, NULL, 'sha256:cc', 'JPEG', 696, 613, '{"cold": false, "totalMs": 8.6}', '2026-11-25 12:55:42.54984+00');
INSERT INTO public.outcomes VALUES (2, 2, 'etag-1', 'classified', 'tabby', 0.75, '[{"index": 281, "label": "tabby", "className": "tabby, tabby cat", "probability": 0.75}]', NULL, NULL, 'sha256:cc', 'JPEG', 696, 613, '{"cold": false, "totalMs": 8.6}', '2026-11-25 12:55:42.566543+00');
INSERT INTO public.outcomes VALUES (3, 1, 'etag-1', 'classified', 'tabby', 0.75, '[{"index": 281, "label": "tabby", "className": "tabby, tabby cat", "probability": 0.75}]', NULL, NULL, 'sha256:cc', 'JPEG', 696, 613, '{"cold": false, "totalMs": 8.6}', '2026-11-25 12:55:42.588799+00');

SELECT pg_catalog.setval('public.inbox_id_seq', 10, true);

SELECT pg_catalog.setval('public.models_id_seq', 2, true);

SELECT pg_catalog.setval('public.objects_id_seq', 3, true);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_name_digest_key UNIQUE (name, digest);

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.objects
    ADD CONSTRAINT objects_bucket_key_version_id_key UNIQUE (bucket, key, version_id);

ALTER TABLE ONLY public.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (object_id, model_id);

CREATE INDEX inbox_open ON public.inbox USING btree (bucket, key, version_id) WHERE (state <> 'settled'::text);

CREATE INDEX inbox_owed ON public.inbox USING btree (backfill, id DESC) WHERE (state = 'owed'::text);

CREATE INDEX inbox_parked ON public.inbox USING btree (reason) WHERE (state = 'parked'::text);

CREATE INDEX inbox_settled ON public.inbox USING btree (received_at) WHERE (state = 'settled'::text);

CREATE INDEX outcomes_label_probability_idx ON public.outcomes USING btree (label, probability);

CREATE INDEX outcomes_stored_at_idx ON public.outcomes USING btree (stored_at);

CREATE TRIGGER inbox_read BEFORE INSERT ON public.inbox FOR EACH ROW EXECUTE FUNCTION public.inbox_read();

CREATE TRIGGER inbox_reopen BEFORE INSERT ON public.inbox FOR EACH ROW WHEN (((new.state = 'settled'::text) AND (new.kind <> 'ignored'::text))) EXECUTE FUNCTION public.inbox_reopen();

ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.models(id);

ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_object_id_fkey FOREIGN KEY (object_id) REFERENCES public.objects(id) ON DELETE CASCADE;

ALTER TABLE public.inbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY pixwhisk_journal ON public.inbox FOR INSERT TO pixwhisk_journal WITH CHECK (true);

CREATE POLICY pixwhisk_store ON public.inbox TO pixwhisk_store USING (true);

CREATE POLICY pixwhisk_sweep ON public.inbox TO pixwhisk_sweep USING (true);

