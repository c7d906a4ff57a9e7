-- What stands above a label in WordNet. `place` is null but for a class name that two classes of ImageNet share.
CREATE TABLE vocabulary (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT vocabulary_pkey PRIMARY KEY,
    class_name text NOT NULL,
    place integer,
    ancestors text[] NOT NULL,
    CONSTRAINT vocabulary_class_name_place_key UNIQUE NULLS NOT DISTINCT (class_name, place)
);
CREATE INDEX vocabulary_ancestors_idx ON vocabulary USING gin (ancestors);
COMMENT ON TABLE vocabulary IS 'WordNet 3.0, Copyright 2006 by Princeton University; see NOTICE.';

CREATE TABLE label_rules (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT label_rules_pkey PRIMARY KEY,
    label text NOT NULL,
    bucket text NOT NULL DEFAULT '',
    prefix text NOT NULL DEFAULT '',
    minimum double precision,
    hide boolean NOT NULL DEFAULT false,
    rename text,
    CONSTRAINT label_rules_label_bucket_prefix_key UNIQUE (label, bucket, prefix),
    CONSTRAINT label_rules_minimum_check CHECK (minimum BETWEEN 0 AND 1),
    CONSTRAINT label_rules_rename_check CHECK (rename <> '')
);
COMMENT ON COLUMN label_rules.label IS 'a label or what stands above it; empty for every label';
COMMENT ON COLUMN label_rules.bucket IS 'empty for every bucket';

CREATE VIEW labels AS
SELECT results.bucket, results.key, results.version_id, results.etag, results.model, results.model_digest,
       coalesce(rule.rename, said.label) AS label, said."className" AS class_name, said.probability,
       coalesce(vocabulary.ancestors, '{}') AS ancestors, results.event_time, results.stored_at
FROM results
CROSS JOIN LATERAL jsonb_to_recordset(results.labels)
    AS said (label text, "className" text, index integer, probability double precision)
LEFT JOIN vocabulary ON vocabulary.class_name = said."className"
                    AND (vocabulary.place IS NULL OR vocabulary.place = said.index)
-- The most particular: of the label itself before what stands above it, of the longest prefix, of one bucket.
LEFT JOIN LATERAL (
    SELECT label_rules.minimum, label_rules.hide, label_rules.rename FROM label_rules
    WHERE (label_rules.label IN ('', said.label) OR label_rules.label = ANY(vocabulary.ancestors))
      AND label_rules.bucket IN ('', results.bucket) AND starts_with(results.key, label_rules.prefix)
    ORDER BY label_rules.label = said.label DESC, label_rules.label <> '' DESC, length(label_rules.prefix) DESC,
             label_rules.bucket <> '' DESC, array_position(vocabulary.ancestors, label_rules.label)
    LIMIT 1
) AS rule ON true
WHERE said.probability >= coalesce(rule.minimum, 0.1) AND NOT coalesce(rule.hide, false);
COMMENT ON VIEW labels IS 'A row an object version, model and label of at least a tenth, or as label_rules say.';
