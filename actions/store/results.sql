-- What `store` writes. `rows` is one JSON document.

-- One statement, which is one transaction: objects are locked first, in the order of their keys, then outcomes, then
-- the inbox. It answers how many rows name a known model and backbone, and the positions of those that were accepted.
-- name: store
WITH incoming AS MATERIALIZED (
    SELECT models.id AS model_id, models.active, backbones.id AS backbone_id, given.*
    FROM jsonb_to_recordset(CAST(%(rows)s AS jsonb)) AS given (
        position integer, bucket text, key text, version_id text, sequencer text, finality smallint, etag text,
        size bigint, event_time timestamptz, model text, model_digest text, status text, label text,
        probability double precision, labels jsonb, reason text, detail text, sha256 text, format text,
        width bigint, height bigint, receipt jsonb, revision text,
        backbone text, numbers text, scale double precision, zero_point smallint, signature text)
    JOIN models ON models.name = given.model AND models.digest = given.model_digest
    LEFT JOIN backbones ON backbones.digest = given.backbone
    WHERE given.backbone IS NULL OR backbones.id IS NOT NULL
), newest AS (
    SELECT DISTINCT ON (bucket COLLATE "C", key COLLATE "C", version_id COLLATE "C")
           bucket, key, version_id, sequencer, finality, etag, size, event_time, revision,
           coalesce(reason, '') NOT IN ('object-gone', 'object-changed') AS observed
    FROM incoming
    ORDER BY bucket COLLATE "C", key COLLATE "C", version_id COLLATE "C"
), accepted AS (
    INSERT INTO objects AS held (bucket, key, version_id, sequencer, finality, etag, size, event_time)
    SELECT bucket, key, version_id, sequencer, finality, etag, size, event_time FROM newest
    ORDER BY bucket COLLATE "C", key COLLATE "C", version_id COLLATE "C"
    ON CONFLICT (bucket, key, version_id) DO UPDATE SET
        sequencer = coalesce(nullif(excluded.sequencer, ''), held.sequencer),
        finality = excluded.finality,
        etag = excluded.etag,
        size = coalesce(excluded.size, CASE WHEN held.etag = excluded.etag THEN held.size END),
        event_time = coalesce(excluded.event_time, held.event_time)
    -- What was not there to be read says nothing about what is.
    WHERE EXISTS (
        SELECT FROM newest
        WHERE newest.bucket = held.bucket AND newest.key = held.key AND newest.version_id = held.version_id
          AND newest.observed AND (
              (newest.sequencer, newest.finality) >= (held.sequencer, held.finality)
              -- Looked at after this very row was: whatever the clocks say, it is the newer truth.
              OR newest.revision = CAST(held.xmin AS text)
              -- Named by a caller rather than by an event: no order, but the same bytes.
              OR newest.sequencer = '' AND newest.finality = 0 AND held.finality = 0 AND newest.etag = held.etag))
    RETURNING id, bucket, key, version_id, sequencer, finality, etag
), written AS (
    INSERT INTO outcomes AS held (object_id, model_id, etag, status, label, probability, labels, reason, detail,
                                  sha256, format, width, height, receipt)
    SELECT accepted.id, model_id, incoming.etag, status, label, probability, labels, reason, detail,
           sha256, format, width, height, receipt
    FROM incoming JOIN accepted USING (bucket, key, version_id)
    ON CONFLICT (object_id, model_id) DO UPDATE SET
        etag = excluded.etag, status = excluded.status, label = excluded.label, probability = excluded.probability,
        labels = excluded.labels, reason = excluded.reason, detail = excluded.detail, sha256 = excluded.sha256,
        format = excluded.format, width = excluded.width, height = excluded.height, receipt = excluded.receipt,
        stored_at = excluded.stored_at
), superseded AS (
    -- Other models' outcomes about what the object is no longer. The views hide them; this keeps the table small.
    DELETE FROM outcomes USING accepted
    WHERE outcomes.object_id = accepted.id
      AND NOT outcome_is_current(outcomes.etag, outcomes.status, accepted.etag, accepted.finality)
      AND NOT EXISTS (
          SELECT FROM incoming
          WHERE (incoming.bucket, incoming.key, incoming.version_id, incoming.model_id)
              = (accepted.bucket, accepted.key, accepted.version_id, outcomes.model_id))
), embedded AS (
    INSERT INTO embeddings AS held (object_id, backbone_id, length, etag, scale, zero_point, numbers, signature)
    SELECT DISTINCT ON (accepted.id, backbone_id) accepted.id, backbone_id, length(signature), incoming.etag, scale,
           zero_point, decode(numbers, 'base64'), CAST(signature AS bit varying)
    FROM incoming JOIN accepted USING (bucket, key, version_id)
    WHERE incoming.backbone_id IS NOT NULL
    ON CONFLICT (object_id, backbone_id) DO UPDATE SET
        length = excluded.length, etag = excluded.etag, scale = excluded.scale, zero_point = excluded.zero_point,
        numbers = excluded.numbers, signature = excluded.signature
    WHERE held.etag <> excluded.etag
), forgotten AS (
    -- Of what is there no longer. What was overwritten is replaced above, or hidden until it is.
    DELETE FROM embeddings USING accepted WHERE embeddings.object_id = accepted.id AND accepted.finality > 0
), said AS (
    SELECT bucket, key, version_id, count(*) FILTER (WHERE active) AS models, array_agg(model_id) AS ids
    FROM incoming GROUP BY bucket, key, version_id
), behind AS (
    -- Objects about which an active model has no outcome yet, neither now nor before.
    SELECT accepted.id
    FROM accepted JOIN said USING (bucket, key, version_id)
    WHERE said.models < (SELECT count(*) FROM models WHERE active)
      AND said.models + (
          SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.active
          WHERE outcomes.object_id = accepted.id AND outcomes.model_id <> ALL(said.ids)
            AND outcome_is_current(outcomes.etag, outcomes.status, accepted.etag, accepted.finality)
      ) < (SELECT count(*) FROM models WHERE active)
), settled AS (
    -- Events of which nothing remains to be found out: what is now stored says the same, or their bytes are gone. The
    -- join with `accepted` and the order make sure that the locks of all objects are held before the first of the inbox
    -- is asked for. The claim stays: of what settled it says that a sweep had it in hand, and not the event alone.
    UPDATE inbox SET state = 'settled', settled_at = now()
    FROM (
        SELECT inbox.id
        FROM newest
        LEFT JOIN accepted USING (bucket, key, version_id)
        LEFT JOIN objects USING (bucket, key, version_id)
        JOIN inbox USING (bucket, key, version_id)
        WHERE inbox.state <> 'settled'
          AND CASE WHEN accepted.id IS NOT NULL THEN
              accepted.id NOT IN (SELECT id FROM behind) AND (
                  event_is_reflected(accepted.sequencer, accepted.finality, accepted.etag,
                                     inbox.sequencer, inbox.finality, inbox.etag)
                  -- It was in before an activation could ask the object store whose answer this is: no later news.
                  OR newest.observed AND inbox.received_at < now() - interval '2 minutes')
          ELSE
              NOT newest.observed AND inbox.finality = 0
                  AND (inbox.sequencer, inbox.etag) = (newest.sequencer, newest.etag)
              OR classified_by_all_models(objects) AND event_is_reflected(
                  objects.sequencer, objects.finality, objects.etag, inbox.sequencer, inbox.finality, inbox.etag)
          END
        ORDER BY inbox.id FOR UPDATE OF inbox
    ) AS covered
    WHERE inbox.id = covered.id
)
SELECT count(*) AS known,
       coalesce(array_agg(incoming.position) FILTER (WHERE accepted.id IS NOT NULL), '{}') AS accepted
FROM incoming LEFT JOIN accepted USING (bucket, key, version_id);

-- Whether they are active, a trigger says.
-- name: learn_models
INSERT INTO models (name, digest)
SELECT DISTINCT model, model_digest
FROM jsonb_to_recordset(CAST(%(rows)s AS jsonb)) AS given (model text, model_digest text)
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- The length that a backbone's first embedding has is the one that all have.
-- name: learn_backbones
INSERT INTO backbones (digest, length)
SELECT DISTINCT ON (backbone) backbone, length(signature)
FROM jsonb_to_recordset(CAST(%(rows)s AS jsonb)) AS given (backbone text, signature text)
WHERE backbone IS NOT NULL ORDER BY backbone
ON CONFLICT DO NOTHING;
