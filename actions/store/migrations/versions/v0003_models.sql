CREATE FUNCTION all_models_spoke(object objects) RETURNS boolean STABLE LANGUAGE sql AS $function$
    -- Counted rather than looked for: a join could be planned to read all outcomes there are.
    SELECT (SELECT count(*) FROM models WHERE in_use) = (
        SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.in_use
        WHERE outcomes.object_id = object.id AND outcomes.etag = object.etag
          AND (outcomes.status = 'deleted') = (object.finality > 0)
    )
$function$;
COMMENT ON FUNCTION all_models_spoke IS 'Whether each model in use has an outcome about what the object is now.';

-- After `inbox_read`, which settles what any model has spoken about: triggers run in the order of their names.
CREATE FUNCTION inbox_reopen() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
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
END $function$;
CREATE TRIGGER inbox_reopen BEFORE INSERT ON inbox FOR EACH ROW
WHEN (new.state = 'settled' AND new.kind <> 'ignored') EXECUTE FUNCTION inbox_reopen();

-- What is done leaves its entry in the indexes of what is not, which every look walks over until a vacuum. Left alone
-- that comes after a fifth of the table has changed, and spares the indexes while few pages have: both grow with it.
ALTER TABLE inbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, vacuum_index_cleanup = on
);

-- State by state: of a state that something equals, but not of one that it does not, Postgres assumes that it is rare
-- as long as it has no statistics (after a restore), and takes the index.
CREATE OR REPLACE VIEW work AS
SELECT bucket, key, state, attempts, next_at, reason, received_at, nullif(version_id, '') AS version_id, kind, lane,
       detail, claim IS NOT NULL AND next_at > now() AS claimed, event_time, id
FROM inbox
WHERE state = 'owed'
UNION ALL
SELECT bucket, key, state, attempts, next_at, reason, received_at, nullif(version_id, '') AS version_id, kind, lane,
       detail, claim IS NOT NULL AND next_at > now() AS claimed, event_time, id
FROM inbox
WHERE state = 'parked';

CREATE OR REPLACE FUNCTION prune_inbox(older_than interval, at_most integer DEFAULT 10000) RETURNS bigint LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $function$
    WITH pruned AS (
        -- An array rather than a join: a plan for any `at_most` would read the whole table for it.
        DELETE FROM inbox WHERE id = ANY (ARRAY(
            SELECT id FROM inbox
            WHERE state = 'settled' AND received_at < now() - older_than
            ORDER BY received_at LIMIT at_most FOR UPDATE SKIP LOCKED
        )) RETURNING id
    )
    SELECT count(*) FROM pruned
$function$;
