-- Logs of OTLP as events: one row a record, in the order of the window. `flaw` is 1 where a record is not perfectly
-- ordinary (what is wrong with it, or how it is meant, the exact path in Python says), 2 where it only lacks an id.
-- The query runs on: each window is one message, and comes out as one block. Settings:
--   each row of input is a block; nothing else cuts blocks; one thread keeps the order.
--   All branches are computed for all rows: choosing rows first costs more than it saves.
SELECT
    $columns,
    toUInt8(if($flaws, 1, $without_id)) AS flaw,
    number
FROM
(
    SELECT
        *,
        $fields,
        -- one bit for each of our attributes: those that are there, and those with a text
        arraySum(arrayMap(code -> if(code = 0, 0, bitShiftLeft(1::UInt64, code)), codes)) AS seen,
        arraySum(arrayMap((code, text) -> if(code = 0 OR isNull(text), 0, bitShiftLeft(1::UInt64, code)), codes, maybe_texts))
            AS seen_as_text,
        arrayFilter((key, code) -> code = 0, keys, codes) AS further_keys,
        arrayMap(
            (text, number, is_number) -> if(is_number, toString(number), concat('"', text, '"')),
            arrayFilter((text, code) -> code = 0, texts, codes),
            arrayFilter((number, code) -> code = 0, numbers, codes),
            arrayFilter((is_number, code) -> code = 0, arrayMap(text -> isNull(text), maybe_texts), codes)
        ) AS further_values,
        arrayStringConcat(
            arraySort((item, key) -> key,
                arrayMap((key, value) -> concat('"', key, '":', value), further_keys, further_values), further_keys),
            ',') AS further,
        concat(arrayStringConcat(texts, '|'), '|', arrayStringConcat(further_keys, '|')) AS said,
        if(time = 0, observed, time) AS at
    FROM
    (
        SELECT
            *,
            arrayMap(key -> transform(key, $attributes, $codes, 0::UInt8), keys) AS codes,
            arrayMap(text -> ifNull(text, ''), maybe_texts) AS texts,
            arrayMap(number -> ifNull(number, 0), maybe_numbers) AS numbers
        FROM
        (
            SELECT
                tenant, received_at, number, $resource_columns, resource_flaw,
                time, observed, name, trace, span, keys, maybe_texts, maybe_numbers
            FROM
            (
                SELECT
                    *,
                    $resource,
                    $resource_flaws AS resource_flaw
                FROM
                (
                    SELECT
                        toLowCardinality(body.tenant) AS tenant,
                        toInt64(body.received_at) AS received_at,
                        body.number AS number,
                        logs.resource.attributes.key AS resource_keys,
                        logs.resource.attributes.value.string_value AS maybe_resource_texts,
                        arrayMap(text -> ifNull(text, ''), maybe_resource_texts) AS resource_texts,
                        arrayFlatten(logs.scope_logs.log_records) AS records
                    FROM
                    (
                        SELECT body, body.request.resource_logs AS all_logs
                        FROM file($source, Protobuf, $structure)
                        ARRAY JOIN bodies AS body
                    )
                    ARRAY JOIN all_logs AS logs
                )
            )
            ARRAY JOIN
                records.time_unix_nano AS time,
                records.observed_time_unix_nano AS observed,
                records.event_name AS name,
                records.trace_id AS trace,
                records.span_id AS span,
                records.attributes.key AS keys,
                records.attributes.value.string_value AS maybe_texts,
                records.attributes.value.int_value AS maybe_numbers
        )
    )
)
SETTINGS
    format_schema = $schema,
    input_format_max_block_size_bytes = 1,
    max_block_size = 1000000,
    max_threads = 1,
    max_execution_time = 0,
    prefer_column_name_to_alias = 1,
    short_circuit_function_evaluation = 'disable',
    optimize_and_compare_chain = 0
