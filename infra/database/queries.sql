-- What `status` shows.

-- What settled while a sweep had it in hand keeps the claim; what it found done, or never came to, has none.
-- name: count_by_lane
SELECT CASE WHEN lane <> 'journal' THEN lane WHEN claim IS NULL THEN 'event' ELSE 'sweep' END AS lane,
       count(*) AS count
FROM inbox WHERE state = 'settled' AND received_at > now() - interval '1 hour' GROUP BY 1 ORDER BY 1;

-- Not of `results`: that join takes six times as long, and leaves out only what the next outcome replaces.
-- name: count_by_model
SELECT name, digest, active,
       coalesce(jsonb_object_agg(status, count) FILTER (WHERE status IS NOT NULL), '{}') AS outcomes,
       coalesce(unanswered, 0) AS unanswered, coalesce(embedded, 0) AS embedded
FROM models
LEFT JOIN (SELECT model_id, status, count(*) AS count FROM outcomes GROUP BY model_id, status) AS counted
       ON model_id = id
LEFT JOIN jsonb_to_recordset(%(backbones)s::jsonb) AS at_hand (name text, digest text, backbone text)
       USING (name, digest)
LEFT JOIN LATERAL (
    SELECT count(*) AS unanswered, count(*) FILTER (WHERE EXISTS (
               SELECT FROM embeddings JOIN backbones ON backbones.id = embeddings.backbone_id
               WHERE embeddings.object_id = objects.id AND embeddings.etag = objects.etag
                 AND backbones.digest = at_hand.backbone
           )) AS embedded
    FROM objects
    WHERE objects.finality = 0
      AND EXISTS (SELECT FROM outcomes WHERE object_id = objects.id AND outcomes.etag = objects.etag)
      AND NOT EXISTS (SELECT FROM outcomes WHERE object_id = objects.id AND outcomes.etag = objects.etag
                                             AND outcomes.model_id = models.id)
    -- Counted only where there was a model before.
) AS silence ON models.active AND models.active_since > '-infinity'
GROUP BY models.id, unanswered, embedded ORDER BY active DESC, id;

-- name: count_parked
SELECT coalesce(reason, 'unknown') AS reason, count(*) AS count
FROM work WHERE state = 'parked' GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: count_pending
SELECT count(*) AS count, extract(EPOCH FROM now() - min(received_at))::float AS oldest
FROM work WHERE state = 'pending';
