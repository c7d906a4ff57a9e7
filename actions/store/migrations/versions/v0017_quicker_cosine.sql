-- Without `OFFSET 0` the planner puts what makes `a` and `b` in the place of each.
CREATE OR REPLACE FUNCTION embedding_similarity(one bytea, one_zero integer, other bytea, other_zero integer)
RETURNS double precision IMMUTABLE STRICT LANGUAGE sql AS $function$
    SELECT sum(a * b) / nullif(sqrt(sum(a * a)::double precision) * sqrt(sum(b * b)::double precision), 0)
    FROM (
        SELECT get_byte(one, at) - one_zero AS a, get_byte(other, at) - other_zero AS b
        FROM generate_series(0, octet_length(one) - 1) AS at OFFSET 0
    ) AS numbers
$function$;
