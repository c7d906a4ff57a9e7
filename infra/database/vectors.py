"""pgvector, where the server has it: the nearest signatures are found by an index rather than by looking at all."""

from __future__ import annotations

import psycopg
from psycopg import sql

EXTENSION = "vector"
# An index is of one length; that of the backbones that we build.
LENGTH = 1280
INDEX = "embeddings_signature_idx"

_HAS_EXTENSION = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = %s"
_MAKE_INDEX = (
    "CREATE INDEX {index} ON embeddings USING hnsw ((signature::bit({length})) {schema}.bit_hamming_ops)"
    " WHERE length = {length}"
)
_USE_INDEX = """
CREATE OR REPLACE FUNCTION nearest_embeddings(backbone bigint, asked bit varying, at_most integer)
RETURNS TABLE (object_id bigint) STABLE LANGUAGE plpgsql SET hnsw.ef_search = 200 AS $function$
#variable_conflict use_column
BEGIN
    IF length(asked) = {length} THEN
        RETURN QUERY SELECT embeddings.object_id FROM embeddings
        WHERE embeddings.backbone_id = backbone AND embeddings.length = {length}
        ORDER BY embeddings.signature::bit({length}) OPERATOR({schema}.<~>) asked::bit({length}) LIMIT at_most;
    ELSE
        RETURN QUERY SELECT embeddings.object_id FROM embeddings WHERE embeddings.backbone_id = backbone
        ORDER BY bit_count(embeddings.signature # asked), embeddings.object_id LIMIT at_most;
    END IF;
END $function$
"""


def index_embeddings(connection: psycopg.Connection) -> bool:
    """Have `nearest_embeddings` use an index, once. Whether the server has what that takes."""
    found = connection.execute(_HAS_EXTENSION, (EXTENSION,)).fetchone()
    if found is None:
        return False
    if connection.execute("SELECT to_regclass(%s)", (INDEX,)).fetchone() == (None,):
        named = {"index": sql.Identifier(INDEX), "length": sql.Literal(LENGTH), "schema": sql.Identifier(found[0])}
        # Loads the library, so that its settings are known.
        connection.execute("SELECT '1'::bit(1) OPERATOR({schema}.<~>) '1'::bit(1)".replace("{schema}", found[0]))
        connection.execute(sql.SQL(_MAKE_INDEX).format(**named))
        connection.execute(sql.SQL(_USE_INDEX).format(**named))
    return True
