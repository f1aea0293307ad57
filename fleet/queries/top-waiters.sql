-- SPDX-License-Identifier: GPL-2.0
--
-- Who waited longest for a CPU, of all machines. Delays are the scheduler's own totals of each thread, from its first switch in
-- the trace to its last.
WITH threads AS (
    SELECT machine, prev_tid AS tid,
           max(prev_run_delay_ns_mod_2_48) - min(prev_run_delay_ns_mod_2_48) AS waited_ns,
           max(prev_run_ns_mod_2_48) - min(prev_run_ns_mod_2_48) AS ran_ns,
           count(*) AS switches
    FROM read_parquet(getvariable('traces') || '/machine=*/switch.parquet', hive_partitioning = true)
    WHERE prev_tid <> 0
    GROUP BY machine, tid
), names AS (
    SELECT machine, tid, arg_max(comm, time_ns) AS comm
    FROM read_parquet(getvariable('traces') || '/machine=*/name.parquet', hive_partitioning = true)
    GROUP BY machine, tid
)
SELECT machine, coalesce(comm, '?') AS command, count(*) AS threads,
       round(sum(waited_ns) / 1e9, 3) AS waited_s, round(sum(ran_ns) / 1e9, 3) AS ran_s,
       round(100.0 * sum(waited_ns) / nullif(sum(waited_ns) + sum(ran_ns), 0), 1) AS waiting_percent,
       sum(switches)::BIGINT AS switches
FROM threads LEFT JOIN names USING (machine, tid)
GROUP BY machine, command
ORDER BY waited_s DESC
LIMIT 10;
