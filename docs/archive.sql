-- All evidence as one Parquet file: the columns that are asked for, and the record as it is.
-- In the root of a checkout: duckdb < docs/archive.sql
SET preserve_insertion_order = false;

COPY (
  SELECT
    line->>'$.cell_id' AS cell_id,
    line->>'$.subject' AS subject,
    line->>'$.rung' AS rung,
    line->>'$.outcome' AS outcome,
    line->>'$.started_at' AS started_at,
    CAST(line->>'$.duration_s' AS DOUBLE) AS duration_s,
    line->>'$.lock_sha256' AS lock_sha256,
    line->>'$.subject_sha256' AS subject_sha256,
    line
  FROM read_csv(
    'reports/evidence/*.jsonl',
    columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
    header = false, auto_detect = false, max_line_size = 16777216
  )
  ORDER BY cell_id
) TO 'archive.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000);
