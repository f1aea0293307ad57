-- SPDX-License-Identifier: GPL-2.0
--
-- Who had the CPUs, of all machines: from each thread's first switch in the trace to its last.
WITH threads AS (
    SELECT machine, prev_tid AS tid,
           max(prev_run_ns_mod_2_48) - min(prev_run_ns_mod_2_48) AS ran_ns,
           sum(voluntary) AS voluntary, count(*) - sum(voluntary) AS involuntary
    FROM read_parquet(getvariable('traces') || '/machine=*/switch.parquet', hive_partitioning = true)
    WHERE prev_tid <> 0
    GROUP BY machine, tid
), names AS (
    SELECT machine, tid, arg_max(comm, time_ns) AS comm
    FROM read_parquet(getvariable('traces') || '/machine=*/name.parquet', hive_partitioning = true)
    GROUP BY machine, tid
)
SELECT machine, coalesce(comm, '?') AS command, count(*) AS threads, round(sum(ran_ns) / 1e9, 3) AS ran_s,
       sum(voluntary)::BIGINT AS voluntary, sum(involuntary)::BIGINT AS involuntary
FROM threads LEFT JOIN names USING (machine, tid)
GROUP BY machine, command
ORDER BY ran_s DESC
LIMIT 10;
