CREATE TABLE models (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT models_pkey PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    in_use boolean NOT NULL DEFAULT true,
    CONSTRAINT models_name_digest_key UNIQUE (name, digest)
);

CREATE TABLE objects (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT objects_pkey PRIMARY KEY,
    bucket text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version_id text COLLATE "C" NOT NULL DEFAULT '',
    sequencer text COLLATE "C" NOT NULL DEFAULT '',
    finality smallint NOT NULL DEFAULT 0 CONSTRAINT objects_finality_check CHECK (finality BETWEEN 0 AND 2),
    etag text NOT NULL DEFAULT '',
    size bigint,
    event_time timestamptz,
    CONSTRAINT objects_bucket_key_version_id_key UNIQUE (bucket, key, version_id)
);
COMMENT ON COLUMN objects.finality IS '0 present, 1 a delete marker, 2 removed';

CREATE TABLE outcomes (
    object_id bigint NOT NULL CONSTRAINT outcomes_object_id_fkey REFERENCES objects ON DELETE CASCADE,
    model_id bigint NOT NULL CONSTRAINT outcomes_model_id_fkey REFERENCES models,
    etag text NOT NULL DEFAULT '',
    status text NOT NULL CONSTRAINT outcomes_status_check CHECK (status IN ('classified', 'rejected', 'deleted')),
    label text,
    probability double precision,
    labels jsonb NOT NULL DEFAULT '[]',
    reason text,
    detail text,
    sha256 text,
    format text,
    width bigint,
    height bigint,
    receipt jsonb NOT NULL DEFAULT '{}',
    stored_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outcomes_pkey PRIMARY KEY (object_id, model_id)
);
CREATE INDEX outcomes_stored_at_idx ON outcomes (stored_at);
CREATE INDEX outcomes_label_probability_idx ON outcomes (label, probability);

-- An outcome shows only while it is about what its object is now: of two models in use, one may still be behind.
CREATE VIEW results AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, nullif(objects.etag, '') AS etag,
       objects.size, outcomes.status, outcomes.label, outcomes.probability, outcomes.labels, outcomes.reason,
       outcomes.detail, models.name AS model, models.digest AS model_digest, outcomes.sha256, outcomes.format,
       outcomes.width, outcomes.height, objects.event_time, outcomes.stored_at, outcomes.receipt
FROM objects
JOIN outcomes ON outcomes.object_id = objects.id AND outcomes.etag = objects.etag
             AND (outcomes.status = 'deleted') = (objects.finality > 0)
JOIN models ON models.id = outcomes.model_id;

-- The newest version that is still there; if that is a delete marker, the key is not live.
CREATE VIEW current_results AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, nullif(objects.etag, '') AS etag,
       objects.size, outcomes.status, outcomes.label, outcomes.probability, outcomes.labels, outcomes.reason,
       outcomes.detail, models.name AS model, models.digest AS model_digest, outcomes.sha256, outcomes.format,
       outcomes.width, outcomes.height, objects.event_time, outcomes.stored_at, outcomes.receipt
FROM objects
JOIN outcomes ON outcomes.object_id = objects.id AND outcomes.etag = objects.etag AND outcomes.status <> 'deleted'
JOIN models ON models.id = outcomes.model_id AND models.in_use
WHERE objects.finality = 0
  AND NOT EXISTS (
      SELECT FROM objects AS newer
      WHERE newer.bucket = objects.bucket AND newer.key = objects.key AND newer.finality < 2
        AND (newer.sequencer, newer.id) > (objects.sequencer, objects.id)
  );
