-- SPDX-License-Identifier: GPL-2.0
--
-- Which command was preempted, and by which: switches away from a thread that was still runnable, by both commands' names.
WITH names AS (
    SELECT machine, tid, arg_max(comm, time_ns) AS comm
    FROM read_parquet(getvariable('traces') || '/machine=*/name.parquet', hive_partitioning = true)
    GROUP BY machine, tid
)
SELECT s.machine, coalesce(p.comm, '?') AS preempted, coalesce(n.comm, '?') AS by_command, count(*) AS times
FROM read_parquet(getvariable('traces') || '/machine=*/switch.parquet', hive_partitioning = true) AS s
     LEFT JOIN names AS p ON p.machine = s.machine AND p.tid = s.prev_tid
     LEFT JOIN names AS n ON n.machine = s.machine AND n.tid = s.next_tid
WHERE s.still_runnable = 1 AND s.prev_tid <> 0 AND s.next_tid <> 0
GROUP BY ALL
ORDER BY times DESC
LIMIT 10;
