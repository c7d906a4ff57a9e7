CREATE TABLE backbones (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT backbones_pkey PRIMARY KEY,
    digest text NOT NULL CONSTRAINT backbones_digest_key UNIQUE,
    length integer NOT NULL,
    CONSTRAINT backbones_id_length_key UNIQUE (id, length)
);
COMMENT ON COLUMN backbones.length IS 'of every embedding: one of another length is refused';

CREATE TABLE embeddings (
    object_id bigint NOT NULL CONSTRAINT embeddings_object_id_fkey REFERENCES objects ON DELETE CASCADE,
    backbone_id bigint NOT NULL,
    length integer NOT NULL,
    etag text NOT NULL DEFAULT '',
    scale double precision NOT NULL,
    zero_point smallint NOT NULL,
    numbers bytea NOT NULL,
    signature bit varying NOT NULL,
    CONSTRAINT embeddings_pkey PRIMARY KEY (object_id, backbone_id),
    CONSTRAINT embeddings_backbone_id_fkey FOREIGN KEY (backbone_id, length) REFERENCES backbones (id, length),
    CONSTRAINT embeddings_length_check CHECK (octet_length(numbers) = length AND length(signature) = length)
);
COMMENT ON COLUMN embeddings.numbers IS 'a byte each; real = (byte - zero_point) x scale';
ALTER TABLE embeddings ALTER COLUMN numbers SET STORAGE EXTERNAL;
ALTER TABLE embeddings SET (toast_tuple_target = 256);

CREATE FUNCTION embedding_similarity(one bytea, one_zero integer, other bytea, other_zero integer)
RETURNS double precision IMMUTABLE STRICT LANGUAGE sql AS $function$
    SELECT sum(a * b) / nullif(sqrt(sum(a * a)::double precision) * sqrt(sum(b * b)::double precision), 0)
    FROM (
        SELECT get_byte(one, at) - one_zero AS a, get_byte(other, at) - other_zero AS b
        FROM generate_series(0, octet_length(one) - 1) AS at
    ) AS numbers
$function$;
COMMENT ON FUNCTION embedding_similarity IS 'Cosine of two embeddings of one backbone: 1 where they are the same.';

-- Replaced by one that takes an index where the server has pgvector (`infra/database/vectors.py`).
CREATE FUNCTION nearest_embeddings(backbone bigint, asked bit varying, at_most integer)
RETURNS TABLE (object_id bigint) STABLE LANGUAGE sql AS $function$
    SELECT embeddings.object_id FROM embeddings
    WHERE embeddings.backbone_id = backbone
    ORDER BY bit_count(embeddings.signature # asked), embeddings.object_id LIMIT at_most
$function$;
COMMENT ON FUNCTION nearest_embeddings IS 'Whose signatures differ least from the one asked about.';

CREATE VIEW current_embeddings AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, embeddings.object_id,
       embeddings.backbone_id, embeddings.scale, embeddings.zero_point, embeddings.numbers, embeddings.signature
FROM objects JOIN embeddings ON embeddings.object_id = objects.id AND embeddings.etag = objects.etag
WHERE objects.finality = 0
  AND NOT EXISTS (
      SELECT FROM objects AS newer
      WHERE newer.bucket = objects.bucket AND newer.key = objects.key AND newer.finality < 2
        AND (newer.sequencer, newer.id) > (objects.sequencer, objects.id)
  );
COMMENT ON VIEW current_embeddings IS 'Of the newest version of each key that is still there, a row a backbone.';

CREATE FUNCTION similar_to_embedding(
    backbone bigint, asked bytea, asked_zero integer, asked_signature bit varying, at_most integer
) RETURNS TABLE (bucket text, key text, version_id text, similarity double precision)
STABLE LANGUAGE sql AS $function$
    SELECT held.bucket, held.key, held.version_id,
           embedding_similarity(asked, asked_zero, held.numbers, held.zero_point) AS similarity
    -- Some of the nearest are about what is there no longer, and their order is rough.
    FROM nearest_embeddings(backbone, asked_signature, 20 + 2 * at_most) AS near
    JOIN current_embeddings AS held ON held.object_id = near.object_id AND held.backbone_id = backbone
    ORDER BY similarity DESC NULLS LAST, held.bucket, held.key LIMIT at_most
$function$;

CREATE FUNCTION similar_to(of_bucket text, of_key text, at_most integer DEFAULT 10)
RETURNS TABLE (bucket text, key text, version_id text, similarity double precision)
STABLE LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
    asked current_embeddings;
BEGIN
    SELECT held.* INTO asked FROM current_embeddings AS held
    WHERE held.bucket = of_bucket AND held.key = of_key ORDER BY held.backbone_id DESC LIMIT 1;
    IF FOUND THEN
        RETURN QUERY
        SELECT near.* FROM similar_to_embedding(
            asked.backbone_id, asked.numbers, asked.zero_point, asked.signature, at_most + 1) AS near
        WHERE (near.bucket, near.key) <> (of_bucket, of_key)
        ORDER BY near.similarity DESC NULLS LAST, near.bucket, near.key LIMIT at_most;
    END IF;
END $function$;
COMMENT ON FUNCTION similar_to IS 'The pictures most like that of a key, likest first; similarity 1 is the same.';
