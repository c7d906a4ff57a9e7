-- Whether an outcome is about what its object is now. Columns and not rows are given, because the planner then puts the
-- condition itself in the function's place; and what asks may hold an object that is not written yet.
CREATE FUNCTION outcome_is_current(
    outcome_etag text, outcome_status text, object_etag text, object_finality smallint
) RETURNS boolean IMMUTABLE LANGUAGE sql AS $function$
    SELECT outcome_etag = object_etag AND (outcome_status = 'deleted') = (object_finality > 0)
$function$;

CREATE OR REPLACE VIEW results AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, nullif(objects.etag, '') AS etag,
       objects.size, outcomes.status, outcomes.label, outcomes.probability, outcomes.labels, outcomes.reason,
       outcomes.detail, models.name AS model, models.digest AS model_digest, outcomes.sha256, outcomes.format,
       outcomes.width, outcomes.height, objects.event_time, outcomes.stored_at, outcomes.receipt
FROM objects
JOIN outcomes ON outcomes.object_id = objects.id
             AND outcome_is_current(outcomes.etag, outcomes.status, objects.etag, objects.finality)
JOIN models ON models.id = outcomes.model_id;

CREATE OR REPLACE VIEW current_results AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, nullif(objects.etag, '') AS etag,
       objects.size, outcomes.status, outcomes.label, outcomes.probability, outcomes.labels, outcomes.reason,
       outcomes.detail, models.name AS model, models.digest AS model_digest, outcomes.sha256, outcomes.format,
       outcomes.width, outcomes.height, objects.event_time, outcomes.stored_at, outcomes.receipt
FROM objects
JOIN outcomes ON outcomes.object_id = objects.id
             AND outcome_is_current(outcomes.etag, outcomes.status, objects.etag, objects.finality)
JOIN models ON models.id = outcomes.model_id AND models.active
WHERE objects.finality = 0
  AND NOT EXISTS (
      SELECT FROM objects AS newer
      WHERE newer.bucket = objects.bucket AND newer.key = objects.key AND newer.finality < 2
        AND (newer.sequencer, newer.id) > (objects.sequencer, objects.id)
  );

CREATE OR REPLACE FUNCTION classified_by_all_models(object objects) RETURNS boolean STABLE LANGUAGE sql AS $function$
    -- Counted rather than looked for: a join could be planned to read all outcomes there are.
    SELECT (SELECT count(*) FROM models WHERE active) = (
        SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.active
        WHERE outcomes.object_id = object.id
          AND outcome_is_current(outcomes.etag, outcomes.status, object.etag, object.finality)
    )
$function$;
