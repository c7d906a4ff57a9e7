-- Of an equality beside that of a key the planner thinks that next to nothing fulfils it, and then reads the whole
-- vocabulary for each outcome: hence `CASE`, of which it thinks nothing.
CREATE OR REPLACE VIEW labels AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, nullif(objects.etag, '') AS etag,
       models.name AS model, models.digest AS model_digest, coalesce(rule.rename, said.label) AS label,
       said."className" AS class_name, said.probability, coalesce(vocabulary.ancestors, '{}') AS ancestors,
       objects.event_time, outcomes.stored_at
FROM objects
JOIN outcomes ON outcomes.object_id = objects.id
             AND CASE WHEN outcomes.etag = objects.etag THEN objects.finality = 0 ELSE false END
JOIN models ON models.id = outcomes.model_id
CROSS JOIN LATERAL jsonb_to_recordset(outcomes.labels)
    AS said (label text, "className" text, index integer, probability double precision)
LEFT JOIN vocabulary ON vocabulary.class_name = said."className"
                    AND (vocabulary.place IS NULL OR vocabulary.place = said.index)
-- The most particular: of the label itself before what stands above it, of the longest prefix, of one bucket.
LEFT JOIN LATERAL (
    SELECT label_rules.minimum, label_rules.hide, label_rules.rename FROM label_rules
    WHERE (label_rules.label IN ('', said.label) OR label_rules.label = ANY(vocabulary.ancestors))
      AND label_rules.bucket IN ('', objects.bucket) AND starts_with(objects.key, label_rules.prefix)
    ORDER BY label_rules.label = said.label DESC, label_rules.label <> '' DESC, length(label_rules.prefix) DESC,
             label_rules.bucket <> '' DESC, array_position(vocabulary.ancestors, label_rules.label)
    LIMIT 1
) AS rule ON true
WHERE said.probability >= coalesce(rule.minimum, 0.1) AND NOT coalesce(rule.hide, false);
