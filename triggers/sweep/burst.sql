-- Which of these events say nothing that is not stored already.
-- name: find_stored
SELECT position
FROM unnest(%(buckets)s::text[], %(keys)s::text[], %(versions)s::text[], %(sequencers)s::text[], %(etags)s::text[],
            %(finalities)s::smallint[]) WITH ORDINALITY
    AS heard (bucket, key, version_id, sequencer, etag, finality, position)
JOIN objects USING (bucket, key, version_id)
WHERE event_is_reflected(
    objects.sequencer, objects.finality, objects.etag, heard.sequencer, heard.finality, heard.etag);
