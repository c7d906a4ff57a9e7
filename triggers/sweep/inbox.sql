-- What a sweep asks of the inbox. Rows are locked in the order of their ids, as `store` locks them, so that the two
-- cannot wait for each other; whatever is noted is noted under the claim, so that who lost it changes nothing.

-- A connection was lost, and with it all that was claimed over it.
-- name: recover
UPDATE inbox SET next_at = now(), claim = NULL WHERE state = 'pending' AND claim = %(claim)s;

-- A claim that is there already ran out: it counts as a failure, for the row may be what killed the sweep.
-- name: claim
WITH due AS (
    SELECT id, bucket, key, version_id, sequencer, finality, etag, backfill FROM inbox
    WHERE state = 'pending' AND next_at <= now()
      -- The event's own time, because MinIO writes its journal seconds later; should its clock be ahead, ours.
      AND (backfill OR least(event_time, received_at) <= now() - %(grace)s)
    ORDER BY backfill, id DESC LIMIT %(most)s FOR UPDATE SKIP LOCKED
), looked AS (
    SELECT id, NOT backfill AND EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = due.bucket AND objects.key = due.key AND objects.version_id = due.version_id
          AND event_is_reflected(
              objects.sequencer, objects.finality, objects.etag, due.sequencer, due.finality, due.etag)
          AND classified_by_all_models(objects)) AS covered
    FROM due
)
UPDATE inbox SET
    state = CASE WHEN covered THEN 'settled' ELSE state END,
    settled_at = CASE WHEN covered THEN now() END,
    attempts = attempts + (claim IS NOT NULL AND NOT covered)::int,
    claim = CASE WHEN covered THEN NULL ELSE %(claim)s::uuid END,
    next_at = now() + %(lease)s
FROM looked WHERE inbox.id = looked.id
RETURNING inbox.id, event_data, attempts, (
    SELECT objects.xmin::text FROM objects
    WHERE objects.bucket = inbox.bucket AND objects.key = inbox.key AND objects.version_id = inbox.version_id
) AS revision, NOT backfill AS live, state;

-- name: renew
WITH held AS (
    SELECT id FROM inbox WHERE id = ANY(%(ids)s) AND claim = %(claim)s AND state = 'pending' ORDER BY id FOR UPDATE
)
UPDATE inbox SET next_at = now() + %(lease)s
FROM held WHERE inbox.id = held.id;

-- Only what every active model has an outcome about. Contested is what was seen otherwise than it is stored.
-- name: settle
WITH seen AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(finalities)s::smallint[], %(etags)s::text[]) AS seen (id, finality, etag)
), held AS (
    SELECT inbox.id, objects.id IS NULL OR classified_by_all_models(objects) AS complete,
           objects.id IS NOT NULL AND seen.finality IS NOT NULL
               AND (seen.finality, seen.etag) <> (objects.finality, objects.etag) AS contested
    FROM seen
    JOIN inbox ON inbox.id = seen.id
    LEFT JOIN objects ON objects.bucket = inbox.bucket AND objects.key = inbox.key
        AND objects.version_id = inbox.version_id
    WHERE inbox.claim = %(claim)s AND inbox.state = 'pending' ORDER BY inbox.id FOR UPDATE OF inbox
)
UPDATE inbox SET
    state = CASE WHEN complete AND NOT contested THEN 'settled' ELSE state END,
    settled_at = CASE WHEN complete AND NOT contested THEN now() END,
    claim = CASE WHEN contested THEN NULL ELSE claim END,
    next_at = CASE WHEN contested THEN now() ELSE next_at END,
    reason = CASE WHEN complete THEN NULL ELSE reason END,
    detail = CASE WHEN complete THEN NULL ELSE detail END
FROM held WHERE inbox.id = held.id
RETURNING inbox.id, state, contested;

-- name: requeue
WITH held AS (
    SELECT id FROM inbox WHERE id = ANY(%(ids)s) AND claim = %(claim)s AND state = 'pending' ORDER BY id FOR UPDATE
)
UPDATE inbox SET next_at = now() + %(after)s, claim = NULL
FROM held WHERE inbox.id = held.id;

-- `counts` is false where a service failed; the attempt then counts only if another object was classified since. What
-- fails for too long is parked all the same, so that somebody sees it.
-- name: retry
WITH judged AS (
    SELECT id, now() - coalesce(failing_since, now()) AS failing, attempts + CASE WHEN NOT %(counts)s AND (
        -- The newest, by its index: for `EXISTS` all outcomes are read, as if any of them might do.
        SELECT stored_at FROM outcomes JOIN objects ON objects.id = object_id
        WHERE stored_at > coalesce(failed_at, received_at) AND status = 'classified' AND objects.bucket <> ''
        ORDER BY stored_at DESC LIMIT 1
    ) IS NULL THEN 0 ELSE 1 END AS tried
    FROM inbox WHERE id = %(id)s AND claim = %(claim)s AND state = 'pending' FOR UPDATE
)
UPDATE inbox SET
    attempts = tried,
    state = CASE WHEN tried >= %(most)s OR failing > %(age)s THEN 'parked' ELSE 'pending' END,
    next_at = now() + (0.5 + random()) * least(
        greatest(%(first)s * 2 ^ least(tried, 20), least(failing / 10, %(blameless)s)), %(longest)s),
    claim = NULL, failed_at = now(), failing_since = now() - failing, reason = %(reason)s, detail = %(detail)s
FROM judged WHERE inbox.id = judged.id
RETURNING state;

-- name: park
WITH held AS (
    SELECT id FROM inbox WHERE id = ANY(%(ids)s) AND claim = %(claim)s AND state = 'pending' ORDER BY id FOR UPDATE
)
UPDATE inbox SET
    state = 'parked', attempts = attempts + 1, claim = NULL, failed_at = now(),
    reason = %(reason)s, detail = %(detail)s
FROM held WHERE inbox.id = held.id;

-- name: count_pending
SELECT count(*), min(received_at) FROM inbox WHERE state = 'pending';

-- name: count_parked
SELECT coalesce(reason, '') AS reason, count(*) FROM inbox WHERE state = 'parked' GROUP BY 1 ORDER BY 1;

-- Null: of any key, for any reason.
-- name: replay
UPDATE inbox SET
    state = 'pending', attempts = 0, next_at = now(), claim = NULL, reason = NULL, detail = NULL, failed_at = NULL,
    failing_since = NULL
WHERE state = 'parked'
  AND (%(key)s::text IS NULL OR key = %(key)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s);
