-- What an audit and a backfill ask of the database.

-- Of one moment, what is stored and what the inbox holds: up to a page of each, which may name the same version. An
-- outcome that only says the bytes were not there to read is none for an object that is there. `keys_wanted` is
-- replaced by a condition on the key that an index answers: a parameter that may be null would read a whole bucket.
-- name: recorded
(
    SELECT 'stored' AS origin, key, version_id, etag, finality, sequencer,
           (SELECT count(*) FROM outcomes
            WHERE outcomes.object_id = objects.id AND outcomes.etag = objects.etag
              AND coalesce(outcomes.reason, '') NOT IN ('object-gone', 'object-changed')) AS outcomes,
           (SELECT array_agg(models.name ORDER BY models.id) FROM models
            WHERE models.active AND NOT EXISTS (
                SELECT FROM outcomes
                WHERE outcomes.object_id = objects.id AND outcomes.etag = objects.etag
                  AND coalesce(outcomes.reason, '') NOT IN ('object-gone', 'object-changed')
                  AND (outcomes.model_id = models.id
                       OR NOT %(every)s AND outcomes.stored_at < models.active_since))) AS lacking,
           (SELECT state || coalesce(': ' || reason, '') FROM inbox
            WHERE inbox.bucket = objects.bucket AND inbox.key = objects.key AND inbox.version_id = objects.version_id
              AND inbox.state <> 'settled' ORDER BY inbox.sequencer DESC LIMIT 1) AS unsettled
    FROM objects WHERE bucket = %(bucket)s AND keys_wanted
    ORDER BY key, version_id LIMIT %(page)s
)
UNION ALL
(
    SELECT 'inbox', key, version_id, max(etag), 0, max(sequencer), 0, NULL, max(state || coalesce(': ' || reason, ''))
    FROM inbox WHERE state <> 'settled' AND kind = 'created' AND bucket = %(bucket)s AND keys_wanted
    GROUP BY key, version_id ORDER BY key, version_id LIMIT %(page)s
);

-- name: count_unsettled
SELECT
    count(*) FILTER (WHERE state = 'pending') AS pending,
    count(*) FILTER (WHERE state = 'parked') AS parked
FROM inbox
WHERE state <> 'settled' AND lane = 'backfill' AND bucket = %(bucket)s AND starts_with(key, %(prefix)s);
